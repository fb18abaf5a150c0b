//go:build unix

package child

import (
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// pidsOf hears the process ids that a program of lines tells, up to "ready".
func (h *house) pidsOf(uid string) (pids []int) {
	h.t.Helper()
	for {
		line := h.owner.hear(`[:sente-lite/recv {:uid "` + uid + `" …:event [:line/out "…"]}]`)[1]
		if line == "ready" {
			return pids
		}
		n, err := strconv.Atoi(line)
		if err != nil {
			h.t.Fatalf("%q is no process id", line)
		}
		pids = append(pids, n)
	}
}

// Everybody beneath a program goes with it: in its group or out of it, adopted or
// not, whether the program ends by itself, is told to, or does not want to.
func TestEverybodyGoes(t *testing.T) {
	const family = `sleep 1000 & echo $!
nohup sleep 1000 >/dev/null 2>&1 & echo $!
setsid sleep 1000 & echo $!
setsid sh -c 'echo $$; sleep 1000 & echo $!; (setsid sh -c "echo \$\$; trap \"\" TERM; while :; do sleep 1; done" &) ; sleep 0.05; echo ready; wait' &
`
	for name, tt := range map[string]struct {
		script string
		end    func(h *house, pid int)
		reason string
	}{
		"it ends": {family + "read -r line; exit 3", func(h *house, pid int) {
			h.owner.send(`[:sente-lite/send {:to "p" :event [:line/in "go"]}]`)
		}, "exit code 3"},
		"it is killed": {family + "wait; exit 0", func(h *house, pid int) { syscall.Kill(pid, syscall.SIGKILL) }, "signal 9 (killed)"},
		"it is kicked": {family + "cat >/dev/null", func(h *house, pid int) {
			h.owner.send(`[:sente-lite/kick {:to "p" :reason "out"}]`)
		}, "out"},
		"it ignores SIGTERM": {family + `trap "" TERM HUP; while :; do sleep 1; done`, func(h *house, pid int) {
			h.owner.send(`[:sente-lite/kick {:to "p" :reason "out"}]`)
		}, "out"},
		"all end": {family + `trap "" TERM HUP; while :; do sleep 1; done`, func(h *house, pid int) {
			h.stop(100 * time.Millisecond)
		}, "shutdown"},
		"its keeper is killed": {`echo ready; sleep 1000`, func(h *house, pid int) {
			h.t.Helper()
			stat := regexp.MustCompile(`PPid:\s+(\d+)`).FindStringSubmatch(readFile(h.t, "/proc/"+strconv.Itoa(pid)+"/status"))
			keeper, _ := strconv.Atoi(stat[1])
			syscall.Kill(keeper, syscall.SIGKILL)
		}, "killed with its keeper"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, pipe.Settings{}, nil)
			_, pid := h.spawn(Spec{Command: sh(tt.script), UID: "p", Dialect: "lines", Grace: 50 * time.Millisecond})
			pids := append(h.pidsOf("p"), pid)
			for _, pid := range pids {
				if !running(pid) {
					t.Fatalf("%d does not run", pid)
				}
			}
			tt.end(h, pid)
			if name != "all end" {
				h.owner.hear(`[:sente-lite/close {:uid "p" …:reason "` + tt.reason + `" …}]`)
			}
			dead(t, pids...)
		})
	}
}

// A program that takes no more input is ended once something is sent to it, and
// that is said.
func TestClosesStdin(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	_, pid := h.spawn(Spec{Command: sh(`exec <&-; echo ready; exec sleep 1000`), UID: "p", Dialect: "lines", Grace: 10 * time.Millisecond})
	h.pidsOf("p")
	h.owner.send(`[:sente-lite/send {:to "p" :event [:line/in "hello?"]}]`)
	h.owner.hear(`[:sente-lite/close {:uid "p" …:reason "it takes no more input, and has been ended: signal 15 (terminated)" :code 1006}]`)
	dead(t, pid)
}

// A program that leaves somebody behind who holds its pipes has ended all the same:
// what it said is heard, and its peer goes at once.
func TestForksAndLeaves(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	_, pid := h.spawn(Spec{Command: sh(`sleep 1000 & echo $!; echo oh >&2; echo last; exit 0`), UID: "p", Dialect: "lines", Grace: time.Minute})
	sleeper, _ := strconv.Atoi(h.owner.hear(`[:sente-lite/recv {:uid "p" …:event [:line/out "…"]}]`)[1])
	h.owner.expect(`[:sente-lite/recv {:uid "p" …:event [:line/out "last"]}]`)
	h.owner.expect(`[:sente-lite/close {:uid "p" …:reason "exit code 0: oh" :code 1000}]`)
	dead(t, pid, sleeper)
}

// A program that closes its stdout is no peer any more, and ends.
func TestClosesStdout(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	_, pid := h.spawn(Spec{Command: sh(`exec >&-; exec sleep 1000`), UID: "p", Dialect: "lines", Grace: 10 * time.Millisecond})
	h.owner.hear(`[:sente-lite/close {:uid "p" …:reason "it has closed its stdout" :code 1006}]`)
	dead(t, pid)
}

// What a program says last is heard, although it no longer takes what it is sent.
func TestLastWords(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	h.spawn(Spec{Command: sh(`exec <&-; read -r x; echo "it is over" >&2; i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done; exit 7`), Grace: time.Minute, UID: "p", Dialect: "lines"})
	for range 50 {
		h.owner.send(`[:sente-lite/send {:to "p" :event [:line/in "who is there?"]}]`)
	}
	h.owner.hear(`[:sente-lite/recv {:uid "p" …:event [:line/out "499"]}]`)
	h.owner.hear(`[:sente-lite/close {:uid "p" …:reason "exit code 7: it is over" :code 1006}]`)
}

// A program that fails again and again is given up, with its last words; spawned
// again it runs again.
func TestBreaker(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	o := h.owner
	began := time.Now()
	h.spawn(Spec{Command: sh(`for i in 1 2 3; do echo "no $i" >&2; done; exit 4`), UID: "p", Restart: Always})
	for range maxFailures {
		o.hear(`[:sente-lite/close {:uid "p" …:reason "exit code 4: no 3" :code 1006}]`)
	}
	o.expect(`[:sente-lite/error {:category :unavailable :code :sente-lite/process-failing :message "\"p\" has ended 5 times within 30s and is not started again; the last time: exit code 4: no 3" …:data {:uid "p" :stderr ["no 1" "no 2" "no 3"]}}]`)
	if d := time.Since(began); d < (50+100+200+400)*time.Millisecond {
		t.Errorf("it has been started too soon: five times within %v", d)
	}
	o.send(`[[:sente-lite/send {:to "p" :event [:x/y]}] "c"]`)
	o.expect(`[:chsk/reply "c" [:sente-lite/error {:category :unavailable :code :sente-lite/process-failing …:retry? false …}]]`)
	// A client is not told how, nor what it said.
	c := h.join(pipe.Claim{UID: "ann"}, "[:sente-lite/hello {}]")
	c.send(`[[:msg/send-to-client {:to-uid "p" :message 1}] "c"]`)
	c.expect(`[:chsk/reply "c" [:sente-lite/error {:category :unavailable :code :sente-lite/process-failing :message "the program does not run right now" :event-id :msg/send-to-client :retry? false}]]`)
	h.spawn(Spec{Command: []string{"cat"}, UID: "p", Dialect: "lines"})
	o.send(`[:sente-lite/send {:to "p" :event [:line/in "so"]}]`)
	o.hear(`[:sente-lite/recv {:uid "p" …:event [:line/out "so"]}]`)
}

// The uid of a program that was kicked is free, also while it takes its time.
func TestKickedAndSpawned(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	o := h.owner
	_, pid := h.spawn(Spec{Command: sh(`trap "" TERM; echo ready; while :; do sleep 1; done`), UID: "p", Dialect: "lines", Restart: Always, Grace: 200 * time.Millisecond})
	h.pidsOf("p")
	o.send(`[[:sente-lite/kick {:to "p"}] "k"]`)
	o.hear(`[:chsk/reply "k" {:peers 1}]`)
	o.hear(`[:sente-lite/close {:uid "p" …:code 4504}]`)
	_, again := h.spawn(Spec{Command: []string{"cat"}, UID: "p", Dialect: "lines"})
	if !running(pid) {
		t.Error("it has taken no time")
	}
	o.send(`[:sente-lite/send {:to "p" :event [:line/in "hello"]}]`)
	o.hear(`[:sente-lite/recv {:uid "p" …:event [:line/out "hello"]}]`)
	dead(t, pid)
	if !running(again) {
		t.Error("the other one has ended, too")
	}
}

// Policies: what is restarted, and what is not.
func TestRestart(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	o := h.owner
	for _, tt := range []struct {
		policy, script string
		again          bool
	}{
		{Never, "exit 1", false}, {OnFailure, "exit 0", false}, {OnFailure, "exit 1", true},
		{OnFailure, "kill -9 $$", true}, {OnFailure, "echo bad", true}, {Always, "exit 0", true},
	} {
		h.spawn(Spec{Command: sh(tt.script), UID: "p", Restart: tt.policy})
		o.hear(`[:sente-lite/open {:uid "p" …}]`)
		o.hear(`[:sente-lite/close {:uid "p" …}]`)
		if tt.again {
			o.expect(`[:sente-lite/open {:uid "p" …}]`)
			o.send(`[:sente-lite/kick {:to "p"}]`)
		}
		for h.host.Grace() != 0 { // until nothing has the uid
			h.host.Dismiss("p", "the test goes on")
			time.Sleep(time.Millisecond)
		}
	}
}

// Who floods stderr costs neither our log nor others their time, and its last
// lines are kept.
func TestStderrFlood(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	o := h.owner
	h.spawn(Spec{Command: []string{testBinary}, Env: map[string]string{actEnv: "flood"}, UID: "flood"})
	h.spawn(Spec{Command: []string{"cat"}, UID: "cat", Dialect: "lines"})
	o.hear(`[:sente-lite/recv {:uid "flood" …:event [:flood/began]}]`)
	h.logged(`more stderr was left out.* child=flood lines=[1-9]\d{3,}`)
	for range 100 {
		o.send(`[:sente-lite/send {:to "cat" :event [:line/in "there"]}]`)
		o.hear(`[:sente-lite/recv {:uid "cat" …:event [:line/out "there"]}]`)
	}
	began := time.Now()
	if n := len(h.log.String()); n > 256<<10 {
		t.Errorf("the log has %d bytes", n)
	}
	o.send(`[:sente-lite/kick {:to "flood"}]`)
	o.hear(`[:sente-lite/close {:uid "flood" …}]`)
	h.logged(`a program has ended.*child=flood`)
	if d := time.Since(began); d > patience/2 {
		t.Errorf("it took %v to end", d)
	}
}

// Lines of stderr are cut, counted and kept within their bounds.
func TestStderrLines(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	h.spawn(Spec{Command: sh(`head -c 100000 /dev/zero | tr '\0' x >&2; printf '\nbad \377 byte\r\nno newline' >&2; exit 1`), UID: "p", Dialect: "lines"})
	h.owner.hear(`[:sente-lite/close {:uid "p" …:reason "exit code 1: no newline" …}]`)
	long := h.logged(`msg=x+… child=p`)
	if n := strings.Count(long, "x"); n != maxErrorLine {
		t.Errorf("%d bytes of a long line are logged", n)
	}
	h.logged(`msg="bad \S+ byte" child=p`)
	h.logged(`msg="no newline" child=p`)
}
