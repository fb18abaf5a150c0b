//go:build unix

package child

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// calculator is a worker in the shell: it knows its calls by their look.
const calculator = `while read -r line; do case "$line" in
*:subprocess/compute*) cb=${line##*\"x}; cb=x${cb%%\"*}
  case "$line" in *:slow*) ;; *) echo "[:chsk/reply \"$cb\" {:pid $$}]";; esac;;
esac; done`

// A child in the shell answers a call; it is killed, who waits hears so, and it
// runs again.
func TestChildInTheShell(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	o := h.owner
	_, pid := h.spawn(Spec{Command: sh(calculator), UID: "calc", Dialect: "text", Restart: OnFailure})
	o.expect(`[:sente-lite/open {:uid "calc" …:role :client :transport :exec …}]`)
	o.send(`[[:sente-lite/request {:to "calc" :event [:subprocess/compute {:n 1}]}] "a"]`)
	o.expect(`[:chsk/reply "a" {:pid ` + strconv.Itoa(pid) + `}]`)
	o.send(`[[:sente-lite/request {:to "calc" :event [:subprocess/compute :slow]}] "b"]`)
	o.send(`[[:sente-lite/request {:to "calc" :event [:subprocess/compute :slow]}] "c"]`)
	o.send(`[[:sente-lite/flush {:to "calc"}] "f"]`)
	o.expect(`[:chsk/reply "f" …]`)
	syscall.Kill(pid, syscall.SIGKILL)
	for range 2 {
		o.expect(`[:chsk/reply "…" :chsk/closed]`)
	}
	o.expect(`[:sente-lite/close {:uid "calc" …:reason "signal 9 (killed)" :code 1006}]`)
	o.send(`[[:sente-lite/send {:to "calc" :event [:x/y]}] "d"]`)
	o.expect(`[:chsk/reply "d" [:sente-lite/error {:category :unavailable :code :sente-lite/process-restarting …:retry? true}]]`)
	o.expect(`[:sente-lite/open {:uid "calc" …}]`)
	o.send(`[[:sente-lite/request {:to "calc" :event [:subprocess/compute {:n 1}]}] "e"]`)
	again := o.expect(`[:chsk/reply "e" {:pid …}]`)[0]
	if again == strconv.Itoa(pid) {
		t.Fatal("it has not been started again")
	}
	o.send(`[[:sente-lite/kick {:to "calc" :reason "no more"}] "k"]`)
	o.hear(`[:sente-lite/close {:uid "calc" …:reason "no more" :code 4504}]`)
	n, _ := strconv.Atoi(again)
	dead(t, n)
	for o.send(`[[:sente-lite/send {:to "calc" :event [:x/y]}] "g"]`); ; o.send(`[[:sente-lite/send {:to "calc" :event [:x/y]}] "g"]`) {
		if o.expect(`[:chsk/reply "g" [:sente-lite/error {:category :…}]]`)[0][:9] == "not-found" {
			break
		}
	}
}

// Ready is a program's first line where it speaks first, and what was sent before
// comes behind it; where it need not speak, what is sent arrives at once.
func TestFirstWords(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, func(h *Host) { h.hello = 20 * time.Millisecond })
	o := h.owner
	dir := t.TempDir()
	tell := `read -r a; read -r b; printf '%s\n' "[:heard/a $a]" "[:heard/b $b]"`
	h.spawn(Spec{Command: sh(`until [ -e go ]; do sleep 0.01; done; echo "[:now/go]"; ` + tell), UID: "auto", Dir: dir})
	o.send(`[[:sente-lite/send {:to "auto" :event [:x/y 1]}] "c"]`)
	o.hear(`[:chsk/reply "c" {:status :ok :queue-size 1 :peers 1}]`)
	o.hear(`[:sente-lite/error {:category :unavailable :code :sente-lite/no-hello …auto…:data {:uid "auto"}}]`)
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.hear(`[:sente-lite/recv {:uid "auto" …:event [:now/go]}]`)
	o.expect(`[:sente-lite/recv {…:event [:heard/a [:sente-lite/ready {:uid "auto" …}]]}]`)
	o.expect(`[:sente-lite/recv {…:event [:heard/b [:x/y 1]]}]`)
	o.expect(`[:sente-lite/close {:uid "auto" …:reason "exit code 0" :code 1000}]`)

	h.spawn(Spec{Command: sh(`read -r a; echo "[:first/word]"; read -r b; printf '%s\n' "[:heard/a $a]" "[:heard/b $b]"`), UID: "text", Dialect: "text"})
	o.send(`[:sente-lite/send {:to "text" :event [:x/y 2]}]`)
	o.hear(`[:sente-lite/recv {:uid "text" …:event [:first/word]}]`)
	o.expect(`[:sente-lite/recv {…:event [:heard/a [:x/y 2]]}]`)
	o.expect(`[:sente-lite/recv {…:event [:heard/b [:sente-lite/ready {:uid "text" …}]]}]`)

	h.spawn(Spec{Command: []string{os.Args[0]}, Env: map[string]string{actEnv: "echo"}, UID: "frames", Dialect: "frames"})
	o.send(`[[:sente-lite/request {:to "frames" :event [:x/y 3]}] "q"]`)
	o.hear(`[:chsk/reply "q" [:x/y 3]]`)
}

// A prompt before the first value is no dialect: the close says what was printed.
func TestPrompt(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	_, pid := h.spawn(Spec{Command: sh(`printf 'user=> '; cat`), UID: "repl"})
	h.owner.hear(`[:sente-lite/close {:uid "repl" …:reason "the first byte, 0x75 of \"user=> \", is of no dialect…" :code 4505}]`)
	h.logged(`speaks no dialect.*child=repl.*user=> `)
	dead(t, pid)
}

// What cannot be started says why, and names what is taken.
func TestCannotStart(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, nil)
	dir := t.TempDir()
	file := filepath.Join(dir, "plain")
	script := filepath.Join(dir, "script")
	for name, text := range map[string]string{file: "no program", script: "#!/no/such/shell\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(script, 0o700)
	h.spawn(Spec{Command: []string{"cat"}, UID: "mine", Dialect: "lines"})
	h.spawn(Spec{Command: []string{"cat"}, UID: "theirs", Dialect: "lines", PerUser: true})
	h.join(pipe.Claim{UID: "ada"}, "[:sente-lite/hello {}]")
	for _, tt := range []struct {
		spec Spec
		code string
		want string
	}{
		{Spec{Command: []string{"no-such-program"}}, "no-such-program", `"no-such-program" is not found`},
		{Spec{Command: []string{"./nope"}, Dir: dir}, "no-such-program", `"./nope" is not found`},
		{Spec{Command: []string{"./plain"}, Dir: dir}, "not-executable", "its mode is -rw"},
		{Spec{Command: []string{"plain"}, Env: map[string]string{"PATH": dir}}, "not-executable", "its mode is -rw"},
		{Spec{Command: []string{dir}}, "not-executable", "it is a folder"},
		{Spec{Command: []string{script}}, "cannot-start", "no such file"},
		{Spec{Command: []string{"cat"}, Dir: filepath.Join(dir, "no")}, "bad-dir", "cannot be entered"},
		{Spec{Command: []string{"cat"}, Dir: file}, "bad-dir", "is no folder"},
		{Spec{Command: []string{"cat"}, UID: "owner"}, "reserved-uid", `"owner"`},
		{Spec{Command: []string{"cat"}, UID: "conn-1-2"}, "reserved-uid", "conn-"},
		{Spec{Command: []string{"cat"}, UID: "unix:0/1"}, "reserved-uid", "unix:"},
		{Spec{Command: []string{"cat"}, UID: strings.Repeat("x", 257)}, "reserved-uid", "256 bytes"},
		{Spec{Command: []string{"cat"}, UID: "mine"}, "uid-taken", `"mine" runs already`},
		{Spec{Command: []string{"cat"}, UID: "theirs"}, "uid-taken", `"theirs" runs already`},
		{Spec{Command: []string{"cat"}, UID: "theirs/ada"}, "uid-taken", `"theirs/ada" runs already`},
		{Spec{Command: []string{"cat"}, UID: "theirs/bob"}, "uid-taken", `a user of the program "theirs"`},
		{Spec{Command: []string{"cat"}, UID: "ada"}, "uid-taken", `somebody with the uid "ada" is connected`},
		{Spec{Command: []string{"cat"}, UID: "ada", PerUser: true}, "uid-taken", `"ada" is connected`},
	} {
		_, _, bad := h.host.Spawn(tt.spec)
		if bad == nil || bad.Code != tt.code || !strings.Contains(bad.Msg, tt.want) {
			t.Errorf("%+v: %v, expected %s: %s", tt.spec, bad, tt.code, tt.want)
		}
	}
	for _, want := range []string{"cat", "cat-2", "cat-3"} {
		if uid, _ := h.spawn(Spec{Command: []string{"/bin/cat"}, Dialect: "lines"}); uid != want {
			t.Errorf("the uid is %s, expected %s", uid, want)
		}
	}
}

// A program gets our environment less what is meant for us, and what is added; no
// value of that is in the log.
func TestEnvironment(t *testing.T) {
	h := newHouse(t, pipe.Settings{}, func(h *Host) {
		h.cfg.Environ = append(os.Environ(), "BABASHKA_POD=true", "BABASHKA_POD_TRANSPORT=socket", "SENTE_LITE_LOG_LEVEL=:debug", "KEPT=yes", "PWD=/elsewhere")
	})
	dir := t.TempDir()
	h.spawn(Spec{Command: sh(`env; pwd; echo done`), UID: "env", Dialect: "lines", Dir: dir, Env: map[string]string{"ADDED": "sec ret", "KEPT": "other"}})
	var all []string
	for {
		line := h.owner.hear(`[:sente-lite/recv {:uid "env" …:event [:line/out "…"]}]`)[1]
		if line == "done" {
			break
		}
		all = append(all, line)
	}
	text := strings.Join(all, "\n") + "\n"
	for _, want := range []string{"ADDED=sec ret\n", "KEPT=other\n", "PWD=" + dir + "\n", "\n" + dir + "\n", "PATH="} {
		if !strings.Contains(text, want) {
			t.Errorf("it has no %q", want)
		}
	}
	for _, not := range []string{"BABASHKA_POD", "SENTE_LITE_", "KEPT=yes"} {
		if strings.Contains(text, not) {
			t.Errorf("it has %s", not)
		}
	}
	h.owner.hear(`[:sente-lite/close {:uid "env" …}]`)
	if strings.Contains(h.log.String(), "sec ret") {
		t.Error("the log has what is in the environment")
	}
}
