//go:build peers && unix

package child

import (
	"path/filepath"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
)

// A ClojureScript program is a peer: what was asked before it had started is
// answered, and when it fails it says why and starts again.
func TestClojureScriptWorker(t *testing.T) {
	nbb, err := filepath.Abs("../../testdata/npm/node_modules/nbb/cli.js")
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, pipe.Settings{}, nil)
	o := h.owner
	_, pid := h.spawn(Spec{Command: []string{"node", nbb, "worker.cljs"}, Dir: "testdata", UID: "worker", Restart: OnFailure})
	o.send(`[[:sente-lite/request {:to "worker" :event [:subprocess/compute {:n 12}]}] "a"]`)
	o.send(`[:sente-lite/send {:to "worker" :event [:worker/note "a \"b\" ü"]}]`)
	o.hear(`[:chsk/reply "a" 144]`)
	o.hear(`[:sente-lite/recv {:uid "worker" …:event [:worker/noted "a \"b\" ü"]}]`)
	o.send(`[[:sente-lite/request {:to "worker" :event [:worker/throw]}] "b"]`)
	o.hear(`[:chsk/reply "b" :chsk/closed]`)
	o.hear(`[:sente-lite/close {:uid "worker" …:reason "exit code 1: …" …}]`)
	h.logged(`this worker is out of order.*child=worker`)
	o.hear(`[:sente-lite/open {:uid "worker" …}]`)
	o.send(`[[:sente-lite/request {:to "worker" :event [:subprocess/compute {:n 3}]}] "c"]`)
	o.hear(`[:chsk/reply "c" 9]`)
	dead(t, pid)
	o.send(`[:sente-lite/kick {:to "worker"}]`) // its stdin ends, and with it the program
	h.logged(`a program has ended.*child=worker.*how="exit code 0"`)
}
