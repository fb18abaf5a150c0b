package pipe

import (
	"strings"
	"testing"
)

func TestHelloPacker(t *testing.T) {
	const shape = "a keyword like :edn, or a vector like [:msgpack :gzip]"
	long := strings.Repeat("x", 10_000)
	for _, c := range []struct{ hello, chain, bad string }{
		{"{}", "edn", ""},
		{"{:packer :edn}", "edn", ""},
		{"{:packer :msgpack}", "msgpack", ""},
		{"{:packer :msgpack :gzip true}", "msgpack,gzip", ""},
		{"{:gzip true}", "edn,gzip", ""},
		{"{:gzip false}", "edn", ""},
		{"{:packer [:edn]}", "edn", ""},
		{"{:packer [:msgpack :gzip]}", "msgpack,gzip", ""},
		{"{:packer [:msgpack :gzip] :gzip true}", "msgpack,gzip", ""},
		{"{:packer [:msgpack :aes-gcm] :gzip true}", "msgpack,gzip,aes-gcm", ""},
		{"{:packer [:msgpack, ,:gzip ;; and\n :aes-gcm]}", "msgpack,gzip,aes-gcm", ""},
		{"{:packer [:a :b :c :d :e]}", "a,b,c,d,e", ""},
		{"{:packer [:a :b :c :d :e :f]}", "", shape},
		{"{:packer []}", "", shape},
		{"{:packer [[:msgpack]]}", "", shape},
		{`{:packer "msgpack"}`, "", shape},
		{`{:packer ["msgpack"]}`, "", shape},
		{"{:packer [:msgpack nil]}", "", shape},
		{"{:packer [:msgpack gzip]}", "", shape},
		{"{:packer (:msgpack :gzip)}", "", shape},
		{"{:packer #{:msgpack :gzip}}", "", shape},
		{"{:packer {:msgpack :gzip}}", "", shape},
		{"{:packer nil}", "", shape},
		{"{:packer true}", "", shape},
		{"{:packer 5}", "", shape},
		{`{:packer "` + long + `"}`, "", shape},
		{"{:gzip 1}", "", "true or false"},
		{"{:gzip :yes}", "", "true or false"},
	} {
		name := c.hello[:min(len(c.hello), 60)]
		if _, err := Check([]byte(c.hello), Limits{}); err != nil {
			t.Fatalf("%s is not EDN: %v", name, err)
		}
		h, bad := parseHello([]byte(c.hello))
		switch {
		case c.bad == "" && (bad != nil || h.Chain() != c.chain):
			t.Errorf("%s asks for %q: %v; expected %q", name, h.Chain(), bad, c.chain)
		case c.bad != "" && (bad == nil || bad.Code != "bad-hello" || bad.Category != Incorrect || !strings.Contains(bad.Msg, c.bad)):
			t.Errorf("%s: %v; expected that it must be %s", name, bad, c.bad)
		case c.bad != "" && len(bad.Msg) > 300:
			t.Errorf("%s: an error of %d bytes", name, len(bad.Msg))
		}
	}
}
