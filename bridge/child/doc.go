// Package child runs programs as peers: each is a process whose stdin and stdout
// are a pipe.Conn, an ordinary Session of the hub.
//
//	Host      what is spawned and configured, by uid; who a name stands for
//	unit      one uid: its process, run after run, and the breaker
//	group     a program of which every user has a process of its own: units
//	run       one life of a process: its Conn, its stderr, its end
//	process   a process and everything beneath it, behind a keeper
//
// # The keeper
//
// Every program is the child of a keeper: our own binary, executed anew, in a
// session of its own. It starts the program on the pipes that it was given, lets
// go of them, and says how the program has ended. It holds the read end of a pipe
// of ours: when that ends, because we close it or because we are no more, it kills
// everything beneath it. On Linux it is a subreaper, so "beneath" are also those
// who have called setsid, forked twice or outlived their parent. Elsewhere it is
// the program's process group.
//
// One keeper for all of them would have to be sent descriptors, and could not tell
// whose an orphan is. One for each costs a few milliseconds at the start and some
// 4 MB, and what a program leaves behind goes when that program goes.
package child

import _ "embed"

// Doc is the user's page about all of this.
//
//go:embed README.md
var Doc string
