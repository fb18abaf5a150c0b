// Package chaos does to connections what networks do to them: it delays,
// throttles, tears, stalls, cuts and loses them. It stands between a client and a
// target as a Proxy on an address of its own, or around a net.Conn in memory
// (Proxy.Wrap), and is what "sente-lite chaos" runs.
//
// What is done to a connection is a Plan, drawn by MakePlan from a seed, the
// Options and the connection's number: a pure function. Faults have their place
// in bytes. So the same seed and the same bytes have the same faults at the same
// places, however slow the machine is and however the bytes are cut into reads:
// what differs between two runs is time alone. A plan may also be written by hand
// (Options.Plan), for a test that wants its cut at byte 17:
//
//	chaos.Options{Plan: func(conn uint64) (p chaos.Plan) {
//		if conn == 1 {
//			p.Ways[chaos.Down] = chaos.Way{Cut: 17, How: chaos.RST}
//		}
//		return p
//	}}
//
// Tests that want a fault at a moment rather than at a place call CutAll, Stall,
// HalfOpen and Refuse.
//
// The bytes themselves are never changed. Close frames of WebSockets are found by
// the frames' heads; of other streams nothing is read.
//
// # Bounds
//
// A Proxy has 1000 connections; more wait to be accepted. A direction holds 16
// KiB, a delayed one 64 KiB more, which is all that it carries in the time of its
// delay. Close waits for every goroutine.
package chaos
