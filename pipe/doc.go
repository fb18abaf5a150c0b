// Package pipe is the vocabulary and the engine of sente-lite: it brings
// Clojure events from peer to peer, whatever carries them. It imports nothing
// but the standard library.
//
//	Conn ──────── Session ──────── Hub ──────── Session ──────── Conn
//	messages      one peer:        everyone:    its outbox       frames joined
//	in            shapes, calls    targets,                      into one write
//	              of its own       channels,
//	                               the handler
//
// # One event's way
//
// A [Conn] reads a message. Its Session checks it and takes it apart in one pass
// ([Split]): shape, name, cb, body. What belongs to the link itself is settled
// there; the rest goes to the handler, wrapped in :sente-lite/recv around the
// body's bytes, or where a relay rule says. Every receiver's outbox gets the same
// bytes. When what was read so far is handled, just before the Conn asks its
// transport for more, everything that was queued leaves: joined, one write for
// each receiver. The goroutine that reads is the one that writes, unless a link
// is full; then a goroutine of that outbox takes over until it is empty. So an
// event needs no other goroutine to wake up on its way, and no goroutine that
// reads ever waits for a write.
//
// # What differs from the usual, and why
//
// EDN text is the hub's only form. A [Packer] turns whole messages into another
// form and back at the edge, token by token, rather than giving the hub several
// forms to split and join: every value of the contract has exactly one meaning
// in EDN, so there is one path for an event. A packed message is made at most
// once per packer, whatever the number of its receivers.
//
// What goes around packed bytes is a [Layer], and a [Form] is a packer with its layers.
// Layers come after the queue: it holds packed events, and a writer makes bundles of
// them, compresses and seals those, without the peer's lock. How many events fill a
// frame is guessed from what the peer's events have shrunk to so far, by their names;
// only a wrong guess costs a second compression. A writer that has many peers to write
// to in its turn, as after a publication or when their windows end together, remembers
// the latest bundles: who gets the same items in the same form gets the same bytes.
//
// A Message that was read is lent until the next Read, not given: what leaves is
// rendered into bytes of its own anyway, since a wrapper is written around it,
// and a queued event of a hundred bytes must not hold on to the 64 KiB that it
// arrived in.
//
// Read is told what to do before it waits, and Write does not wait: together
// they are what joins frames without a timer.
//
// Some are peers before they have said anything, since it was we who started them
// ([ConnInfo].Present): their queue waits for their first value, and takes the form
// that this asks for. Some never say hello at all and have a form of their own
// ([ConnInfo].Form). And a uid may be a name for somebody who comes and goes by our
// doing, or for a peer of each user's own ([Names]). The hub knows no more of
// programs than that.
//
// A Session is a peer, and outlives its Conn: a link is one Conn in its service.
// Numbers are counted on both sides and never sent, so all receivers of an event share
// its bytes; an item gets its number when it is first written, and one queue holds
// what was written and not acknowledged before what waits. So to resume is to write on
// from an earlier place, and a recoverable peer is no special case for anybody else.
//
// # Bounds
//
// A peer's queue is bounded in events and bytes; what happens to an event that finds
// it full is its policy. Answers to what a peer itself asked have a bound of their
// own, as have open calls. Everything that is held for clients counts against
// one budget, partial messages included. Strangers may hold 64 KiB, for 5 s. What was
// accepted and is not delivered has a row in the ledger.
//
// The files: conn, packer, hello, errors, settings and auth have the vocabulary;
// hub, names and life the whole; link and session, greet, welcome, present, spoilt, item by item
// what one peer may do (channel, route, owner, calls, tail, queues); packet, sheet, queue,
// outbox, flusher, writer, compose, draft, form, layered, ratio, traffic, full, credit,
// watermark, pressure and heartbeat the way out; away, resume, store and keep the way back;
// ledger the books; scan and edn the text.
package pipe

import _ "embed"

// Doc is this package's page, which "sente-lite help delivery" shows.
//
//go:embed README.md
var Doc string

// FlowDoc is the page on queues and recovery, which "sente-lite help flow" shows.
//
//go:embed FLOW.md
var FlowDoc string
