//go:build peers

package bb

import "testing"

func jvm(t *testing.T, tr tree) *log {
	return run(t, absolute(t, ".."), "java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8",
		"-cp", clojureJars+":"+tr.classPath(t), "clojure.main", "-e", tr.program(t, ".clj", "clojure.test", "(System/exit 0)"))
}

// nbb looks for npm's packages where it is started.
func nbb(t *testing.T, tr tree) *log {
	return run(t, absolute(t, "../testdata/npm"), "node", absolute(t, "../testdata/npm/node_modules/nbb/cli.js"),
		"--classpath", tr.classPath(t), "-e", tr.program(t, ".cljs", "cljs.test", ""))
}

func TestSuiteJVM(t *testing.T)     { jvm(t, library).report(t) }
func TestSuiteNbb(t *testing.T)     { nbb(t, library).report(t) }
func TestSuiteScittle(t *testing.T) { scittle(t, library).report(t) }

func TestSampleJVM(t *testing.T)     { judge(t, jvm(t, sample), false, true) }
func TestSampleNbb(t *testing.T)     { judge(t, nbb(t, sample), true, true) }
func TestSampleScittle(t *testing.T) { judge(t, scittle(t, sample), true, true) }
