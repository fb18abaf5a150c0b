// Package transport makes pipe.Conns: from stdin and stdout, our own or a
// program's, Unix sockets, TCP, WebSockets, and memory for tests.
//
// Every Conn is made of three parts, and only the outer two differ:
//
//	link   moves bytes and never waits in tryWrite    raw descriptors, any net.Conn, memory
//	conn   buffers both directions, joins frames, closes
//	codec  finds messages in bytes, frames messages   frames, text, lines, WebSocket
//
// A Conn that waits for input holds no buffer: one is taken from a pool once
// bytes have arrived, and given back when all of them were read. The same goes
// for output, which is held only while the other side is behind. So an idle
// Conn costs its reader's stack and a few hundred bytes.
//
// Nothing here starts a goroutine for a Conn, save where the Conn owns it and its
// end waits for it: to write a pong or a close frame that the other side would
// not take at once, and to watch the parent's process, for Stdio. So Read is not
// only for messages: it answers pings, and after a Close it sees the other side
// out. Whoever reads goes on until Read has failed with something other than a
// *pipe.Error.
package transport

import _ "embed"

// Doc is this package's page, which "sente-lite help transports" shows.
//
//go:embed README.md
var Doc string
