//go:build peers

package bb

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The lists of testdata/babashka that cmd/check goes by are what Scittle and
// Clojure themselves say.

const (
	namespaces = `(remove #(or (= "user" %) (re-find #"^sci\.impl\." %)) (map str (map ns-name (all-ns))))`
	inCore     = `(map str (keys (ns-publics 'clojure.core)))`
)

func TestScittleHas(t *testing.T) {
	js := scittleJS(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/scittle.js", func(w http.ResponseWriter, _ *http.Request) { w.Write(js) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "<!doctype html><link rel=\"icon\" href=\"data:,\"><script src=\"scittle.js\"></script><script type=\"application/x-scittle\">"+
			"(apply println \"@namespaces\" %s) (apply println \"@core\" %s)</script>", namespaces, inCore)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), suiteTime)
	defer cancel()
	found := map[string][]string{}
	_, err := browse(t, ctx, srv.URL+"/", func(text string) bool {
		if words := strings.Fields(text); len(words) > 0 {
			found[words[0]] = words[1:]
		}
		return found["@core"] != nil
	})
	if err != nil {
		t.Fatalf("%v: %q", err, found)
	}
	compareList(t, "scittle-namespaces.txt", found["@namespaces"])
	compareList(t, "scittle-core.txt", found["@core"])
}

func TestClojureHas(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "java", "-cp", clojureJars, "clojure.main", "-e", "(apply println "+inCore+")").Output()
	if err != nil {
		t.Fatal(err)
	}
	compareList(t, "clojure-core.txt", strings.Fields(string(out)))
}

func compareList(t *testing.T, file string, found []string) {
	t.Helper()
	text, err := os.ReadFile("../testdata/babashka/" + file)
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Fields(string(text))
	slices.Sort(found)
	for _, name := range listed {
		if !slices.Contains(found, name) {
			t.Errorf("%s lists %s, which is not there", file, name)
		}
	}
	for _, name := range found {
		if !slices.Contains(listed, name) {
			t.Errorf("%s does not list %s", file, name)
		}
	}
}
