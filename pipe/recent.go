package pipe

// recent remembers what has come last: where it is full the oldest makes room. Its
// owner guards it.
type recent[K comparable, V any] struct {
	known map[K]V
	order []K // of coming: a ring once it is full
	at    int // of the oldest, then
}

// put remembers one more, of at most most.
func (r *recent[K, V]) put(key K, v V, most int) {
	if r.known == nil {
		r.known = map[K]V{}
	}
	if _, again := r.known[key]; !again {
		if len(r.order) < most {
			r.order = append(r.order, key)
		} else {
			delete(r.known, r.order[r.at])
			r.order[r.at] = key
			r.at = (r.at + 1) % most
		}
	}
	r.known[key] = v
}
