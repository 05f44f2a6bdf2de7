// Package netns holds the tests of the client under real faults of the network
// and of the disk: several hosts side by side as Linux network namespaces,
// joined by veth links, in which nftables refuses, drops and loses packets, a
// router forgets its NAT mappings, addresses and links come and go, a name
// server fails, and servers are killed and stopped. It has no code but tests.
//
// Client, servers and name server are processes of their own, the test binary
// started once more inside a namespace: no file, route or rule of the machine
// itself is touched. Addresses are those of RFC 5737 and exist only inside the
// namespaces. A namespace belongs to the test that made it; what a killed run
// has left is removed by the next one.
//
// The tests need root, iproute2, nftables and conntrack. They are skipped with
// a message where something is missing; with HOLDFAST_REQUIRE_PEERS=1 they
// fail, unless it is the kernel that refuses a namespace. The time that each
// recovery took is logged: go test -v.
package netns
