//go:build unix

package child

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
)

func TestLinesForm(t *testing.T) {
	for _, tt := range []struct{ edn, line, code string }{
		{`[:line/in "a b"]`, "a b", ""},
		{`[:line/in ""]`, "", ""},
		{`[:line/in "tab\t\u00e9 \"q\" \\"]`, "tab\té \"q\" \\", ""},
		{`[:sente-lite/recv {:uid "u" :client-id "c" :event [:line/in "x"]}]`, "x", ""},
		{`[:msg/receive {:from-uid "u" :message "x"}]`, "x", ""},
		{`[:msg/receive {:from-uid "u" :message [:line/in "x"]}]`, "x", ""},
		{`[:line/in "a\nb"]`, "", "bad-line"},
		{`[:line/in "a\r"]`, "", "bad-line"},
		{`[:sente-lite/recv {:uid "u" :event [:line/in "a\nb"]}]`, "", "bad-line"},
		{`[:line/in 5]`, "", "lines-only"},
		{`[:line/in]`, "", "lines-only"},
		{`[:line/out "x"]`, "", "lines-only"},
		{`[[:line/in "x"] "cb"]`, "", "lines-only"},
		{`[:chsk/reply "cb" "x"]`, "", "lines-only"},
		{`[:sente-lite/recv {:uid "u" :event [:x/y "x"]}]`, "", "lines-only"},
		{`[:sente-lite/recv {:uid "u"}]`, "", "lines-only"},
		{`[:msg/receive {:from-uid "u" :message {:a 1}}]`, "", "lines-only"},
		{`[:msg/receive 7]`, "", "lines-only"},
	} {
		got, err := Lines.Pack([]byte("+"), []byte(tt.edn))
		var bad *pipe.Error
		switch {
		case tt.code == "" && (err != nil || string(got) != "+"+tt.line):
			t.Errorf("%s is %q, %v; expected %q", tt.edn, got, err, tt.line)
		case tt.code != "" && (!errors.As(err, &bad) || bad.Code != tt.code || bad.Hint == ""):
			t.Errorf("%s: %v, expected %s", tt.edn, err, tt.code)
		}
	}
	for line, want := range map[string]string{
		"a\n": "a", "a\r\n": "a", "a": "a", "\n": "", "\r\n": "", "a\rb\r\r\n": "a\rb\r", "\xff\n": "\ufffd", "\"\\[": `"\[`,
	} {
		edn, err := Lines.Unpack(nil, []byte(line), pipe.Limits{})
		item, bad := pipe.Split(edn, pipe.Limits{})
		if err != nil || bad != nil || string(item.Name) != "line/out" {
			t.Fatalf("%q: %s, %v, %v", line, edn, err, bad)
		}
		if text, err := pipe.Unquote(item.Body); err != nil || text != want {
			t.Errorf("%q is %q (%v), expected %q", line, text, err, want)
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"a", "\r", "\x00\xff", "\u2028", `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		edn, err := Lines.Unpack(nil, []byte(text), pipe.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pipe.Check(edn, pipe.Limits{}); err != nil {
			t.Fatalf("%q is %q: %v", text, edn, err)
		}
		text = strings.ToValidUTF8(text, "\ufffd")
		edn = append(pipe.AppendString([]byte("[:line/in "), text), ']')
		line, err := Lines.Pack(nil, edn)
		if broken := strings.ContainsAny(text, "\n\r"); (err != nil) != broken || err == nil && string(line) != text {
			t.Fatalf("%q is written as %q, %v", text, line, err)
		}
	})
}

// Programs that know nothing but lines: cat, jq, a loop of the shell.
func TestPrograms(t *testing.T) {
	h := newHouse(t, pipe.Settings{Flow: pipe.Flow{MaxMessageBytes: 2000}}, nil)
	o := h.owner
	for uid, tt := range map[string]struct{ command []string }{
		"cat":   {[]string{"cat"}},
		"jq":    {[]string{"jq", "--unbuffered", "-c", "."}},
		"shell": {sh(`while IFS= read -r line; do printf '%s\n' "$line"; done`)},
	} {
		h.spawn(Spec{Command: tt.command, UID: uid, Dialect: "lines"})
		for _, text := range []string{`{\"a\":[1,2,null]}`, `\"\u00e9\"`} {
			o.send(`[[:sente-lite/send {:to "` + uid + `" :event [:line/in "` + text + `"]}] "c"]`)
			o.hear(`[:chsk/reply "c" {:status :ok …:peers 1}]`)
			if got := o.hear(`[:sente-lite/recv {:uid "` + uid + `" …:event [:line/out …]}]`)[1]; got != `"`+strings.ReplaceAll(text, `\u00e9`, "é")+`"` {
				t.Errorf("%s says %s", uid, got)
			}
		}
	}
	// What is no line, and what is too much of one.
	o.send(`[:sente-lite/send {:to "cat" :event [:chat/msg {}]}]`)
	o.hear(`[:sente-lite/error {:category :unsupported :code :sente-lite/lines-only …:hint "send it a line: [:line/in \"…\"]" :event-id :chat/msg …}]`)
	o.send(`[[:sente-lite/request {:to "cat" :event [:line/in "x"]}] "q"]`)
	o.hear(`[:chsk/reply "q" [:sente-lite/error {:category :unsupported …}]]`)
	o.send(`[:sente-lite/send {:to "cat" :event [:line/in "a\nb"]}]`)
	o.hear(`[:sente-lite/error {:category :incorrect :code :sente-lite/bad-line …}]`)
	h.spawn(Spec{Command: sh(`head -c 3000 /dev/zero | tr '\0' y; printf '\nnext\r\nbad \377\nlast'`), UID: "long", Dialect: "lines"})
	o.hear(`[:sente-lite/error {:category :incorrect :code :sente-lite/too-large :message "\"long\": a line of more than 2000 bytes, which begins \"yyy…" …:data {:uid "long"}}]`)
	for _, want := range []string{"next", "bad \ufffd", "last"} {
		o.expect(`[:sente-lite/recv {:uid "long" …:event [:line/out "` + want + `"]}]`)
	}
	o.expect(`[:sente-lite/close {:uid "long" …:reason "exit code 0" :code 1000}]`)

	// Nothing of the link itself is ever written to it.
	dir := t.TempDir()
	h.spawn(Spec{Command: sh(`cat > all`), UID: "deaf", Dialect: "lines", Dir: dir})
	o.send(`[:sente-lite/send {:to "deaf" :event [:line/in "only this"]}]`)
	o.send(`[:sente-lite/kick {:to "deaf" :reason "enough"}]`)
	o.hear(`[:sente-lite/close {:uid "deaf" …:reason "enough" :code 4504}]`)
	h.logged(`a program has ended.*child=deaf`)
	if all := readFile(t, filepath.Join(dir, "all")); all != "only this\n" {
		t.Errorf("its stdin was %q", all)
	}
}

// Without a handler a client's line goes where a rule says, and what is said
// back, too.
func TestLinesRelayed(t *testing.T) {
	h := newHouse(t, pipe.Settings{Relay: []pipe.RelayRule{
		{Event: "line/in", To: []byte(`"cat"`)}, {Event: "line/out", To: []byte(`{:channel "out"}`)}}}, nil)
	h.owner.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	for range h.owner.in {
	}
	h.spawn(Spec{Command: []string{"cat"}, UID: "cat", Dialect: "lines"})
	c := h.join(pipe.Claim{UID: "ann"}, "[:sente-lite/hello {}]")
	c.send(`[:sente-lite/subscribe {:channel-id "out"}]`)
	c.hear(`[:sente-lite/subscribed …]`)
	for c.send(`[:line/in "hello"]`); ; c.send(`[:line/in "hello"]`) { // until the handler has gone for good
		if got := c.next("the line"); strings.Contains(got, `:uid "cat"`) && strings.Contains(got, `:event [:line/out "hello"]`) {
			break
		}
	}
	c.send(`[:msg/send-to-client {:to-uid "cat" :message "by message"}]`)
	c.hear(`[:sente-lite/recv {:uid "cat" …:event [:line/out "by message"]}]`)
}
