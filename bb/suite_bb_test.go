//go:build bb

package bb

import "testing"

func babashka(t *testing.T, tr tree) *log {
	return run(t, absolute(t, ".."), "bb", "--classpath", tr.classPath(t), "-e", tr.program(t, ".clj", "clojure.test", "(System/exit 0)"))
}

func TestSuiteBabashka(t *testing.T)  { babashka(t, library).report(t) }
func TestSampleBabashka(t *testing.T) { judge(t, babashka(t, sample), false, false) }
