package main

import (
	"errors"
	"strings"
	"testing"
)

func TestTap(t *testing.T) {
	for _, tt := range []struct {
		name  string
		text  string
		err   error
		want  counted
		shows string // in the first failure or skip
		hides string
	}{
		{
			name: "passes, with nested tests and what they print",
			text: `TAP version 13
# Subtest: one
ok 1 - one
  ---
  duration_ms: 1.3
  ...
# ok 7 - printed by the test
# Subtest: outer
    # Subtest: inner
    ok 1 - inner
      ---
      duration_ms: 0.1
      ...
    1..1
ok 2 - outer
  ---
  duration_ms: 0.6
  ...
1..2
# tests 3
# pass 3
`,
			want: counted{passed: 2},
		}, {
			name: "a failure shows its details only",
			text: `# Subtest: one
ok 1 - one
  ---
  duration_ms: 1.3
  ...
# Subtest: two
not ok 2 - two
  ---
  error: 'boom'
  stack: |-
    not ok 9 - no test
  ...
1..2
`,
			err:   errors.New("exit status 1"),
			want:  counted{passed: 1, failed: []string{"two"}},
			shows: "boom", hides: "duration_ms: 1.3",
		}, {
			name: "skips and todos, nested or not",
			text: `ok 1 - three # SKIP no browser
  ---
  duration_ms: 0.1
  ...
    # Subtest: in
    ok 1 - in # SKIP
      ---
      duration_ms: 0.1
      ...
    1..1
ok 2 - four
  ---
  duration_ms: 0.6
  ...
not ok 3 - five # TODO
  ---
  error: 'later'
  ...
1..3
`,
			want:  counted{skipped: []string{"three", "four", "five"}},
			shows: "no browser",
		}, {
			name: "a file that cannot be loaded, and one without tests",
			text: `# SyntaxError: Unexpected identifier
# Subtest: /src/web/b.test.mjs
not ok 1 - /src/web/b.test.mjs
  ---
  exitCode: 1
  ...
# Subtest: web/c.test.mjs
ok 2 - web/c.test.mjs
  ---
  duration_ms: 152.4
  ...
1..2
`,
			err:   errors.New("exit status 1"),
			want:  counted{failed: []string{"/src/web/b.test.mjs", "web/c.test.mjs"}},
			shows: "SyntaxError",
		}, {
			name: "an end without a plan",
			text: "ok 1 - one\n  ---\n  duration_ms: 1\n  ...\n",
			want: counted{passed: 1, failed: []string{"node --test"}},
		}, {
			name:  "node itself fails",
			err:   errors.New("exit status 9"),
			want:  counted{failed: []string{"node --test"}},
			shows: "exit status 9",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r result
			counts := tap{result: &r, files: []string{"web/b.test.mjs", "web/c.test.mjs"}}
			counts.read(strings.NewReader(tt.text))
			counts.finish("", tt.err)
			tt.want.compare(t, &r)
			if tt.shows == "" {
				return
			}
			first := append(r.failures, r.skipped...)[0].text
			if !strings.Contains(first, tt.shows) || tt.hides != "" && strings.Contains(first, tt.hides) {
				t.Errorf("shown is\n%s\nwant %q in it and not %q", first, tt.shows, tt.hides)
			}
		})
	}
}
