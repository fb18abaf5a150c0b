//go:build peers

package main_test

import (
	"strings"
	"testing"
)

const clojureJars = "/usr/share/java/clojure.jar:/usr/share/java/spec.alpha.jar:/usr/share/java/core.specs.alpha.jar"

// TestOddValues sends every odd value of EDN from a Scittle page to a parent in
// Clojure and back: it must arrive = to what was sent.
func TestOddValues(t *testing.T) {
	b := startBrowser(t)
	for _, dialect := range []string{"text", "frames"} {
		t.Run(dialect, func(t *testing.T) {
			b.t = t
			p := start(t, "clojure", "java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp", clojureJars, "clojure.main",
				e2eFile(t, "e2e", "oddities.clj"), dialect, "[:sente-lite/hello {:config {"+static(t)+"}}]", e2eFile(t, "values"))
			b.open(dialect, p.await(`"url":"([^"]+)"`)[1]+"/e2e/pages/odd.html")
			for done := false; !done; {
				line, more := p.next()
				if !more {
					t.Fatal("the parent has ended early")
				}
				if done = strings.HasPrefix(line, "done: "); !done || !strings.HasSuffix(line, " failures: 0 exit: 0") {
					t.Error(line)
				}
			}
			b.close(dialect)
		})
	}
	if all := b.complaints(); all != nil {
		t.Errorf("the pages' consoles:\n%s", strings.Join(all, "\n"))
	}
}
