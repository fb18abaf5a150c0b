package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// flowOf lays maps over each other, the last wins.
func flowOf(t *testing.T, layers ...string) pipe.Flow {
	t.Helper()
	l := NewLoader(noVariables)
	var cfg *Config
	for _, edn := range layers {
		var err error
		if cfg, err = l.Merge("layer", []byte(edn)); err != nil {
			t.Fatalf("%s: %v", edn, err)
		}
	}
	return cfg.Hub.Flow
}

func TestProfiles(t *testing.T) {
	def := pipe.Flow{}.OrDefault()
	if got := flowOf(t, `{:flow {:profile :balanced}}`); !reflect.DeepEqual(got, def) {
		t.Errorf("balanced is %+v, and not the defaults", got)
	}
	now := def
	now.EventBuffer, now.EventBufferSize = -time.Millisecond, 1
	if got := flowOf(t, `{:flow {:profile :immediate}}`); !reflect.DeepEqual(got, now) {
		t.Errorf("immediate is %+v", got)
	}
	bulk := flowOf(t, `{:flow {:profile :bulk}}`)
	if bulk.EventBuffer <= def.EventBuffer || bulk.EventBufferSize <= def.EventBufferSize || bulk.MaxFrameSize <= def.MaxFrameSize ||
		bulk.MaxBufferSize <= def.MaxBufferSize || bulk.MaxBufferBytes <= def.MaxBufferBytes || bulk.MaxRecvQueueSize <= def.MaxRecvQueueSize {
		t.Errorf("bulk is %+v", bulk)
	}
	// What is said of a key wins, whether it stands below the profile or above.
	for _, layers := range [][]string{
		{`{:flow {:event-buffer-size 7}}`, `{:flow {:profile :bulk}}`},
		{`{:flow {:profile :bulk}}`, `{:flow {:event-buffer-size 7}}`},
		{`{:flow {:profile :bulk :event-buffer-size 7}}`},
	} {
		want := bulk
		want.EventBufferSize = 7
		if got := flowOf(t, layers...); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v", layers, got)
		}
	}
	if got := flowOf(t, `{:flow {:profile :bulk :event-buffer-size 7}}`, `{:flow {:profile nil :event-buffer-size nil}}`); !reflect.DeepEqual(got, def) {
		t.Errorf("nil gives %+v, and not the defaults back", got)
	}
}

// Every preset is a value that its key takes.
func TestProfilesAreGood(t *testing.T) {
	for profile, values := range profiles {
		for name, v := range values {
			var wrong []problem
			for _, k := range keys() {
				if k.name != name {
					continue
				}
				if _, ok := k.is.check(&report{to: &wrong}, k.path(), v); !ok {
					t.Errorf("%s: %v", profile, wrong)
				}
				name = ""
			}
			if name != "" {
				t.Errorf("%s has %s, which is no key", profile, name)
			}
		}
	}
}

func TestFullRules(t *testing.T) {
	rule := func(event string, p pipe.FullPolicy) pipe.FullRule { return pipe.FullRule{Event: event, Policy: p} }
	for _, tt := range []struct {
		layers []string
		want   []pipe.FullRule
	}{
		{[]string{`{:flow {:on-backpressure :notify}}`}, nil},
		{[]string{`{:flow {:on-backpressure {}}}`}, nil},
		{[]string{`{:flow {:on-backpressure :disconnect}}`}, []pipe.FullRule{rule("*", pipe.FullDisconnect)}},
		{[]string{`{:flow {:on-backpressure {:a/* :block :default :coalesce :a/b* :notify :z/z :drop-newest}}}`},
			[]pipe.FullRule{rule("z/z", pipe.FullDropNewest), rule("a/b*", pipe.FullNotify), rule("a/*", pipe.FullBlock), rule("*", pipe.FullCoalesce)}},
		{[]string{`{:data-dir "d" :flow {:on-backpressure :queue}}`}, []pipe.FullRule{rule("*", pipe.FullQueue)}},
		// Maps merge, nil takes an entry out, and everything else replaces.
		{[]string{`{:flow {:on-backpressure {:a/* :block :b/* :block}}}`, `{:flow {:on-backpressure {:a/* :coalesce :b/* nil :default :disconnect}}}`},
			[]pipe.FullRule{rule("a/*", pipe.FullCoalesce), rule("*", pipe.FullDisconnect)}},
		{[]string{`{:flow {:on-backpressure {:a/* :block}}}`, `{:flow {:on-backpressure :coalesce}}`}, []pipe.FullRule{rule("*", pipe.FullCoalesce)}},
		{[]string{`{:flow {:on-backpressure :coalesce}}`, `{:flow {:on-backpressure {:a/* :block}}}`}, []pipe.FullRule{rule("a/*", pipe.FullBlock)}},
	} {
		if got := flowOf(t, tt.layers...).OnFull; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q:\n got %v\nwant %v", tt.layers, got, tt.want)
		}
	}
}

func TestLanesMerge(t *testing.T) {
	got := flowOf(t, `{:flow {:lanes {:a #{:a/*} :b #{:b/*} :c #{:c/*}}}}`, `{:flow {:lanes {:b #{:b/x} :c nil :d #{:b/y}}}}`).Lanes
	want := []pipe.Lane{{Name: "a", Events: []string{"a/*"}}, {Name: "b", Events: []string{"b/x"}}, {Name: "d", Events: []string{"b/y"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	l := NewLoader(noVariables)
	if _, err := l.Merge("file", []byte(`{:flow {:lanes {:a #{:a/*}}}}`)); err != nil {
		t.Fatal(err)
	}
	// Two layers together may be wrong where each of them is good.
	if _, err := l.Merge("hello", []byte(`{:flow {:lanes {:b #{:a/x}}}}`)); err == nil || !strings.Contains(err.Error(), "allowed: each event in one lane") {
		t.Errorf("got %v", err)
	}
}

func TestMeet(t *testing.T) {
	for _, tt := range []struct {
		p, q string
		want bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/c", false}, {"a/*", "a/b", true}, {"a/*", "a/", true}, {"a/*", "b/*", false},
		{"a/x*", "a/*y", true}, {"a/x*", "a/y*", false}, {"a/*x", "a/*y", false}, {"a/*m*", "a/n*", true}, {"a/b*", "a/b", true}, {"", "", true},
	} {
		if meet(tt.p, tt.q) != tt.want || meet(tt.q, tt.p) != tt.want {
			t.Errorf("%s and %s: expected %v", tt.p, tt.q, tt.want)
		}
	}
}

// What bounds and directs queues may change while running; lanes, which have
// things in them, may not.
func TestFlowIsHot(t *testing.T) {
	l := NewLoader(noVariables)
	cfg, err := l.Config()
	if err != nil {
		t.Fatal(err)
	}
	next, changed, err := l.Configure(cfg, []byte(`{:flow {:profile :bulk :on-backpressure {:a/* :coalesce} :max-admit-per-sec 5}}`))
	if err != nil || next.Hub.Flow.EventBufferSize != 1000 || next.Hub.Flow.AdmitPerSec != 5 || len(next.Hub.Flow.OnFull) != 1 || len(changed) != 3 {
		t.Fatalf("got %v, %v", changed, err)
	}
	for _, frozen := range []string{`{:flow {:lanes {:a #{:a/*}}}}`, `{:data-dir "d"}`} {
		if _, _, err := l.Configure(next, []byte(frozen)); err == nil || !strings.Contains(err.Error(), "cannot change while running") {
			t.Errorf("%s: %v", frozen, err)
		}
	}
	if _, _, err := l.Configure(next, []byte(`{:flow {:on-backpressure :queue}}`)); err == nil || !strings.Contains(err.Error(), "give :data-dir") {
		t.Errorf("got %v", err)
	}
}

// Patterns are matched in a time that their lengths bound.
func FuzzMeet(f *testing.F) {
	f.Add("a/*", "a/b")
	f.Add("a*b*c", "*b*")
	f.Fuzz(func(t *testing.T, p, q string) {
		p, q = p[:min(len(p), 64)], q[:min(len(q), 64)]
		got := meet(p, q)
		if got != meet(q, p) {
			t.Errorf("%q and %q do not meet both ways alike", p, q)
		}
		if !strings.Contains(q, "*") && got != pipe.Match(p, q) {
			t.Errorf("%q meets the name %q: %v", p, q, got)
		}
	})
}
