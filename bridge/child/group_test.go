//go:build unix

package child

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Every user has a process of its own, from its first peer to its last; what a
// user says goes to it, and what it says to that user, and to nobody else.
func TestPerUser(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	o := h.owner
	ann := h.join(pipe.Claim{UID: "ann"}, "[:sente-lite/hello {}]")
	uid, pid := h.spawn(Spec{Command: sh(`echo $$; while read -r l; do echo "$l from $$"; done`), UID: "sh", Dialect: "lines", PerUser: true, Max: 2})
	if uid != "sh" || pid != 0 {
		t.Fatalf("the reply is %q %d", uid, pid)
	}
	annsPID := ann.hear(`[:line/out "…"]`)[0] // she was there before
	bob := h.join(pipe.Claim{UID: "bob"}, "[:sente-lite/hello {}]")
	bobsPID := bob.hear(`[:line/out "…"]`)[0]
	bob2 := h.join(pipe.Claim{UID: "bob"}, "[:sente-lite/hello {}]")
	o.hear(`[:sente-lite/open {:uid "sh/bob" …:transport :exec …}]`)
	ann.send(`[[:msg/send-to-client {:to-uid "sh" :message [:line/in "hi"]}] "m"]`)
	ann.hear(`[:chsk/reply "m" {:status :ok …:peers 1}]`)
	ann.expect(`[:line/out "hi from ` + annsPID + `"]`)
	bob2.send(`[:msg/send-to-client {:to-uid "sh" :message "ho"}]`)
	for _, p := range []*player{bob, bob2} {
		p.expect(`[:line/out "ho from ` + bobsPID + `"]`)
	}
	o.send(`[:sente-lite/send {:to "sh/bob" :event [:line/in "he"]}]`)
	bob.expect(`[:line/out "he from ` + bobsPID + `"]`)
	o.send(`[[:sente-lite/send {:to "sh" :event [:line/in "who?"]}] "w"]`)
	o.hear(`[:chsk/reply "w" [:sente-lite/error {:category :not-found :code :sente-lite/one-per-user …:hint "say whose is meant: \"sh/UID\"" …}]]`)

	// One too many hears so, and has one when there is room.
	cid := h.join(pipe.Claim{UID: "cid"}, "[:sente-lite/hello {}]")
	cid.hear(`[:sente-lite/error {:category :busy :code :sente-lite/too-many-processes …:retry? true}]`)
	cid.send(`[[:msg/send-to-client {:to-uid "sh" :message "ho"}] "m"]`)
	cid.hear(`[:chsk/reply "m" [:sente-lite/error {:category :busy …}]]`)
	cid.send(`[[:msg/send-to-client {:to-uid "sh/bob" :message "mine?"}] "m"]`)
	cid.hear(`[:chsk/reply "m" [:sente-lite/error {:category :not-found :code :sente-lite/no-such-peer …}]]`)

	// The last peer of a user takes the process along; the first alone does not.
	bob.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	for range bob.in {
	}
	bob2.send(`[:msg/send-to-client {:to-uid "sh" :message "still"}]`)
	bob2.hear(`[:line/out "still from ` + bobsPID + `"]`)
	bob2.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	o.hear(`[:sente-lite/close {:uid "sh/bob" …:reason "its user has gone" :code 1000}]`)
	n, _ := strconv.Atoi(bobsPID)
	dead(t, n)
	cid.send(`[:msg/send-to-client {:to-uid "sh" :message "now"}]`)
	cid.hear(`[:line/out "now from …"]`)

	// Bob comes back when all places are taken, and then when one is free.
	bob = h.join(pipe.Claim{UID: "bob"}, "[:sente-lite/hello {}]")
	bob.hear(`[:sente-lite/error {:category :busy …}]`)
	bob.conn.Close(pipe.Reason{Code: pipe.CloseNormal})

	// The owner ends it all.
	o.send(`[[:sente-lite/kick {:to #{"sh" "nobody"} :reason "done"}] "k"]`)
	for told, closed := false, 0; !told || closed < 2; { // in whatever order
		switch got := o.next("the end of all"); {
		case got == `[:chsk/reply "k" {:peers 2}]`:
			told = true
		case strings.Contains(got, `[:sente-lite/close {:uid "sh/`) && strings.Contains(got, `:reason "done" :code 4504`):
			closed++
		}
	}
	n, _ = strconv.Atoi(annsPID)
	dead(t, n)
	ann.send(`[[:msg/send-to-client {:to-uid "sh" :message "gone?"}] "m"]`)
	ann.hear(`[:chsk/reply "m" [:sente-lite/error {:category :not-found :code :sente-lite/no-such-peer …}]]`)
}

// A user's process that has ended says so to that user, and a new one starts when
// the user comes anew; one that cannot start says so, too.
func TestPerUserEnds(t *testing.T) {
	h := newHouse(t, pipe.Settings{Relay: []pipe.RelayRule{{Event: "*", To: []byte(`"one"`)}}}, nil)
	o := h.owner
	h.spawn(Spec{Command: sh(`echo here; read -r line; exit 5`), UID: "one", Dialect: "lines", PerUser: true})
	ann := h.join(pipe.Claim{UID: "ann"}, "[:sente-lite/hello {}]")
	ann.hear(`[:line/out "here"]`)
	ann.send(`[:msg/send-to-client {:to-uid "one" :message "end"}]`)
	o.hear(`[:sente-lite/close {:uid "one/ann" …:reason "exit code 5" …}]`)
	for ann.send(`[:msg/send-to-client {:to-uid "one" :message "more"}]`); ; ann.send(`[:msg/send-to-client {:to-uid "one" :message "more"}]`) {
		if code := ann.hear(`[:sente-lite/error {:category :unavailable :code :sente-lite/… …}]`)[0]; code == "process-ended" {
			break
		}
	}
	bob := h.join(pipe.Claim{UID: "bob"}, "[:sente-lite/hello {}]")
	bob.send(`[:msg/send-to-client {:to-uid "one/ann" :message "more"}]`)
	bob.hear(`[:sente-lite/error {:category :not-found :code :sente-lite/no-such-peer …}]`)
	ann.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	o.hear(`[:sente-lite/close {:uid "ann" …}]`)
	ann = h.join(pipe.Claim{UID: "ann"}, "[:sente-lite/hello {}]")
	ann.hear(`[:line/out "here"]`)

	// It may ask its user.
	h.spawn(Spec{Command: sh(`echo '[[:is/it "so?"] "x"]'; read -r ready; read -r reply; echo "[:got/it $reply]"; cat >/dev/null`), UID: "asks", PerUser: true})
	cb := ann.hear(`[[:is/it "so?"] …]`)[0]
	ann.send(`[:chsk/reply ` + cb + ` :yes]`)
	ann.hear(`[:got/it [:chsk/reply "x" :yes]]`)
}

// A uid has one program, and no token brings it.
func TestUIDsAreOneEach(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	h.spawn(Spec{Command: []string{"cat"}, UID: "game/ann", Dialect: "lines"})
	h.spawn(Spec{Command: sh("echo here; cat"), UID: "game", Dialect: "lines", PerUser: true})
	ann := h.join(pipe.Claim{UID: "ann"}, "[:sente-lite/hello {}]")
	ann.expect(`[:sente-lite/error {:category :conflict :code :sente-lite/uid-taken :message "a program with the uid \"game/ann\" runs already" …}]`)
	ann.send(`[[:msg/send-to-client {:to-uid "game" :message "mine"}] "m"]`)
	ann.hear(`[:chsk/reply "m" [:sente-lite/error {:category :conflict …}]]`)
	bob := h.join(pipe.Claim{UID: "bob"}, "[:sente-lite/hello {}]")
	bob.hear(`[:line/out "here"]`)
	for uid, want := range map[string]bool{"game": true, "game/ann": true, "game/bob": true, "game/cid": true, "game2": false, "gam": false, "bob": false} {
		if got := h.host.Owns(uid); got != want {
			t.Errorf("%s is a program's: %v", uid, got)
		}
	}
	// A name that has ended is free at once.
	h.owner.send(`[[:sente-lite/kick {:to #{"game" "game/ann"}}] "k"]`)
	h.owner.hear(`[:chsk/reply "k" {:peers 2}]`)
	h.spawn(Spec{Command: []string{"cat"}, UID: "game/ann", Dialect: "lines"})
	h.spawn(Spec{Command: sh("echo again; cat"), UID: "game", Dialect: "lines", PerUser: true})
	bob.hear(`[:line/out "again"]`)
}

// However fast users come and go: who takes its time to end is counted.
func TestPerUserIsBounded(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	const most = 3
	h.spawn(Spec{Command: sh(`trap "" TERM; echo here; while :; do sleep 1; done`), UID: "slow", Dialect: "lines", PerUser: true, Max: most, Grace: time.Second})
	busy := 0
	for range 3 * most {
		c := h.join(pipe.Claim{UID: "ann"}, "[:sente-lite/hello {}]")
		if got := c.next("a line or an error"); strings.Contains(got, ":busy") {
			busy++
		} else if got != `[:line/out "here"]` {
			t.Fatal(got)
		}
		c.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
		h.owner.hear(`[:sente-lite/close {:uid "ann" …}]`)
	}
	if n := strings.Count(h.log.String(), "a program has started"); n < most || n > 2*most {
		t.Errorf("%d programs were started, and %d times there was no room", n, busy)
	}
}
