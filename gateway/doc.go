// Package gateway has the OMA objects that a gateway can fill by itself: Device (3),
// Connectivity Monitoring (4), Location (6) and Connectivity Statistics (7), for
// holdfast.Config.Objects.
//
//	device := gateway.NewDevice(gateway.DeviceConfig{Reboot: reboot})
//
// On Linux their values are those of the machine, from /proc, /sys and /etc, read when
// a server asks for them. Elsewhere there is what Go knows, such as the time and the
// addresses of interfaces. What cannot be known is left out. Nothing here runs in the
// background, but for the timer that ends a collection period of Connectivity
// Statistics.
//
// What only a modem knows (the kind of a cellular network, its cell and signal) comes
// from the application: see [Cell]. Where the gateway stands is told to [Location].
package gateway
