//go:build peers

package pack_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// What comes back from MessagePack, alone and in a bundle, is the same for Clojure.
func TestMsgpackInClojure(t *testing.T) {
	values := anyEDN(4)
	var pairs []byte
	pair := func(a, b []byte) {
		for _, text := range [][]byte{a, b} {
			pairs = append(pipe.AppendString(pairs, string(text)), '\n')
		}
	}
	for _, tt := range msgpackTable {
		pair([]byte(tt.edn), throughMsgpack(t, tt.edn))
	}
	for i := range 1000 {
		v := values.Example(i)
		pair([]byte(v.text), throughMsgpack(t, v.text))
	}
	// A file, as for the other judges.
	in := filepath.Join(t.TempDir(), "pairs")
	if err := os.WriteFile(in, pairs, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("clojure", filepath.Join("..", "..", "testdata", "edn", "equal.clj"))
	cmd.Stdin = file
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	texts := strings.Split(strings.TrimSpace(string(pairs)), "\n")
	verdicts := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(verdicts) != len(texts) {
		t.Fatalf("%d verdicts of %d texts", len(verdicts), len(texts))
	}
	for i := 0; i < len(texts); i += 2 {
		if verdicts[i] != "ok" {
			t.Errorf("%s became %s: %s", texts[i], texts[i+1], verdicts[i])
		}
	}
}

// ThroughMsgpack returns what the second item of a bundle of the value becomes.
func throughMsgpack(t *testing.T, edn string) []byte {
	t.Helper()
	packed, err := pack.Msgpack.Pack(nil, []byte(edn))
	if err != nil {
		t.Fatalf("%s: %v", edn, err)
	}
	bundle, err := pack.Msgpack.Unpack(nil, pack.Msgpack.Join(nil, [][]byte{packed, packed}), pipe.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", edn, err)
	}
	item, err := pipe.Split(bundle, pipe.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", bundle, err)
	}
	c := pipe.Elements(item.Body)
	c.Next()
	second, _ := c.Next()
	return second
}
