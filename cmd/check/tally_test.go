package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func titles(notes []note) (found []string) {
	for _, n := range notes {
		found = append(found, n.title)
	}
	return found
}

// counted is what a case expects of a result.
type counted struct {
	passed          int
	failed, skipped []string // titles
}

func (want counted) compare(t *testing.T, r *result) {
	t.Helper()
	if r.passed != want.passed {
		t.Errorf("%d passed, want %d", r.passed, want.passed)
	}
	if got := titles(r.failures); !slices.Equal(got, want.failed) {
		t.Errorf("failed: %q, want %q", got, want.failed)
	}
	if got := titles(r.skipped); !slices.Equal(got, want.skipped) {
		t.Errorf("skipped: %q, want %q", got, want.skipped)
	}
}

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events string
		errs   string
		err    error
		want   counted
		shows  []string // in the texts of the failures and skips
		hides  []string
	}{
		{
			name: "subtests count with their test",
			events: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"FuzzB"}
{"Action":"pass","Package":"p","Test":"FuzzB"}
{"Action":"pass","Package":"p"}`,
			want: counted{passed: 2},
		}, {
			name: "a failed subtest, with its own output and not the passing test's",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA/x","Output":"    a_test.go:3: boom\n"}
{"Action":"fail","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"fine\n"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\n"}
{"Action":"fail","Package":"p"}`,
			err:   errors.New("exit status 1"),
			want:  counted{passed: 1, failed: []string{"p TestA"}},
			shows: []string{"a_test.go:3: boom"},
			hides: []string{"=== RUN", "fine"},
		}, {
			name: "the subtests of a suite count in its place",
			events: `{"Action":"output","Package":"p","Test":"TestSuiteX","Output":"=== RUN   TestSuiteX\n"}
{"Action":"pass","Package":"p","Test":"TestSuiteX/a"}
{"Action":"output","Package":"p","Test":"TestSuiteX/b","Output":"    a_test.go:3: boom\n"}
{"Action":"output","Package":"p","Test":"TestSuiteX/b","Output":"    --- FAIL: TestSuiteX/b\n"}
{"Action":"fail","Package":"p","Test":"TestSuiteX/b"}
{"Action":"output","Package":"p","Test":"TestSuiteX","Output":"--- FAIL: TestSuiteX (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestSuiteX"}
{"Action":"pass","Package":"p","Test":"TestSuiteY/a"}
{"Action":"pass","Package":"p","Test":"TestSuiteY/b"}
{"Action":"pass","Package":"p","Test":"TestSuiteY"}
{"Action":"pass","Package":"p","Test":"TestSuiteZ"}
{"Action":"fail","Package":"p"}`,
			err:   errors.New("exit status 1"),
			want:  counted{passed: 4, failed: []string{"p TestSuiteX/b"}},
			shows: []string{"a_test.go:3: boom"},
		}, {
			name: "a suite that fails by itself, or does not end",
			events: `{"Action":"pass","Package":"p","Test":"TestSuiteX/a"}
{"Action":"output","Package":"p","Test":"TestSuiteX","Output":"    a_test.go:3: it was killed\n"}
{"Action":"fail","Package":"p","Test":"TestSuiteX"}
{"Action":"pass","Package":"p","Test":"TestSuiteY/a"}
{"Action":"run","Package":"p","Test":"TestSuiteY"}
{"Action":"fail","Package":"p"}`,
			err:   errors.New("exit status 1"),
			want:  counted{passed: 2, failed: []string{"p TestSuiteX", "p TestSuiteY"}},
			shows: []string{"it was killed"},
		}, {
			name: "a skip is not a pass, nor is a test with a skipped subtest",
			events: `{"Action":"output","Package":"p","Test":"TestA/x","Output":"    a_test.go:3: no bb\n"}
{"Action":"output","Package":"p","Test":"TestA/x","Output":"--- SKIP: TestA/x (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    a_test.go:4: no node\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}`,
			want:  counted{skipped: []string{"p TestA", "p TestB"}},
			shows: []string{"x: a_test.go:3: no bb", "a_test.go:4: no node"},
		}, {
			name: "a build failure is one failure for each package, its output shown once",
			events: `{"ImportPath":"dep","Action":"build-output","Output":"dep.go:1: undefined: x\n"}
{"ImportPath":"dep","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"dep"}
{"Action":"fail","Package":"q","FailedBuild":"dep"}`,
			err:   errors.New("exit status 1"),
			want:  counted{failed: []string{"p", "q"}},
			shows: []string{"dep.go:1: undefined: x", "its output is above"},
		}, {
			name: "a package that fails after its tests passed",
			events: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"goleak: found unexpected goroutines\n"}
{"Action":"fail","Package":"p"}`,
			err:   errors.New("exit status 1"),
			want:  counted{passed: 1, failed: []string{"p"}},
			shows: []string{"goleak"},
		}, {
			name: "a test that never ended",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out after 1s\n"}
{"Action":"fail","Package":"p"}`,
			err:   errors.New("exit status 1"),
			want:  counted{failed: []string{"p TestA"}},
			shows: []string{"timed out"},
		}, {
			name: "a package that never ended",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"so far\n"}`,
			err:   errors.New("the whole run may take 1s"),
			want:  counted{failed: []string{"p TestA"}},
			shows: []string{"so far"},
		}, {
			name:   "no test files",
			events: `{"Action":"skip","Package":"p"}`,
		}, {
			name: "benchmarks",
			events: `{"Action":"run","Package":"p","Test":"BenchmarkA"}
{"Action":"output","Package":"p","Test":"BenchmarkA","Output":"BenchmarkA-2   \t"}
{"Action":"pass","Package":"p"}
{"Action":"run","Package":"q","Test":"BenchmarkB"}
{"Action":"fail","Package":"q","Test":"BenchmarkB"}
{"Action":"fail","Package":"q"}`,
			err:  errors.New("exit status 1"),
			want: counted{passed: 1, failed: []string{"q BenchmarkB"}},
		}, {
			name: "go itself fails",
			errs: "go: updates to go.mod needed\n", err: errors.New("exit status 1"),
			want:  counted{failed: []string{"go test"}},
			shows: []string{"updates to go.mod needed"},
		}, {
			name:   "go fails in plain text",
			events: "pattern ./...: something is wrong\n", err: errors.New("exit status 1"),
			want:  counted{failed: []string{"go test"}},
			shows: []string{"something is wrong"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r result
			counts := newTally(&r)
			counts.read(strings.NewReader(tt.events))
			counts.finish(tt.errs, tt.err)
			tt.want.compare(t, &r)
			all := ""
			for _, n := range append(r.failures, r.skipped...) {
				all += n.text + "\n"
			}
			for _, text := range tt.shows {
				if strings.Count(all, text) != 1 {
					t.Errorf("%q is not shown exactly once in\n%s", text, all)
				}
			}
			for _, text := range tt.hides {
				if strings.Contains(all, text) {
					t.Errorf("%q is shown in\n%s", text, all)
				}
			}
		})
	}
}
