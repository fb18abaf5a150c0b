package pack

// AppendInst appends the text of an #inst as RFC 3339 has it: EDN lets parts
// from the month on be left out, and writes UTC as -00:00. It reports false for
// what is no instant by its shape.
func appendInst(dst, text []byte) ([]byte, bool) {
	begin, out := dst, dst
	s := text
	digits := func(n int) bool {
		if len(s) < n {
			return false
		}
		for _, c := range s[:n] {
			if !isDigit(c) {
				return false
			}
		}
		out = append(out, s[:n]...)
		s = s[n:]
		return true
	}
	// Part copies a separator and what follows it, or the default.
	part := func(sep byte, n int, otherwise string) bool {
		if len(s) == 0 || s[0] != sep {
			out = append(out, otherwise...)
			return true
		}
		out = append(out, sep)
		s = s[1:]
		return digits(n)
	}
	if !digits(4) || !part('-', 2, "-01") || !part('-', 2, "-01") ||
		!part('T', 2, "T00") || !part(':', 2, ":00") || !part(':', 2, ":00") {
		return begin, false
	}
	if len(s) > 1 && s[0] == '.' && isDigit(s[1]) {
		n := 2
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		out = append(out, s[:n]...)
		s = s[n:]
	}
	switch string(s) {
	case "", "Z", "-00:00", "+00:00":
		return append(out, 'Z'), true
	}
	if len(s) == 6 && (s[0] == '+' || s[0] == '-') && isDigit(s[1]) && isDigit(s[2]) && s[3] == ':' && isDigit(s[4]) && isDigit(s[5]) {
		return append(out, s...), true
	}
	return begin, false
}
