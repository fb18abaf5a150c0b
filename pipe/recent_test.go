package pipe

import "testing"

func TestRecent(t *testing.T) {
	var r recent[int, string]
	for _, key := range []int{1, 2, 3, 2, 4, 5} { // 2 is there already: it takes no place
		r.put(key, "", 3)
	}
	r.put(4, "again", 3)
	for key, want := range map[int]bool{1: false, 2: false, 3: true, 4: true, 5: true} {
		if _, ok := r.known[key]; ok != want {
			t.Errorf("%d is remembered: %v", key, ok)
		}
	}
	if len(r.known) != 3 || len(r.order) != 3 || r.known[4] != "again" {
		t.Errorf("%v is remembered", r.known)
	}
}
