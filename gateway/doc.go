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
// What object 4 has of radio comes from nl80211 for a wireless LAN, or from
// /proc/net/wireless where that is all there is, and from ModemManager for a cellular
// network. ModemManager is asked over the system's bus while a server reads, for at most
// two seconds; it is not started for it. It measures the signal only where somebody has
// asked it to: where nobody has, it is asked to do so every 30 s. A process that is not
// root needs polkit's leave for that and for the cell
// (org.freedesktop.ModemManager1.Device.Control and .Location). An application that knows
// the modem better says what it knows by [Cell], and ModemManager is left alone.
//
//	resource                    wireless LAN             ModemManager
//	0, 1 bearers                from /sys                access technology; of LTE and 5G also
//	                                                     the bands, or the cell's channel
//	2 signal strength           average of the station   RSSI of GSM and CDMA2000, RSCP of UMTS,
//	                                                     RSRP of LTE, NB-IoT and 5G
//	3 link quality              0 to 70, of the signal   RSRQ of LTE, NB-IoT and 5G
//	4 addresses, 5 routers      the interface's          the same, else those of the bearer
//	7 APN                                                of the bearers that are connected
//	8 cell ID                                            GSM, UMTS, LTE, 5G
//	9 SMNC, 10 SMCC                                      of the operator, or the location
//	11 SNR                      where noise is measured  LTE, 5G, EV-DO
//	12 LAC                                               GSM and UMTS
//
// Link utilization (6) is never known, and the coverage enhancement level (13) to the
// application alone. Where the gateway stands is told to [Location].
package gateway
