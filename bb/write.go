package bb

// AppendForms appends forms in as few bytes as read as the same forms, each on
// a line.
func AppendForms(b []byte, forms []Form) []byte {
	for _, f := range forms {
		b = append(appendForm(b, f), '\n')
	}
	return b
}

var delimiters = map[Kind][2]string{
	List: {"(", ")"}, Vector: {"[", "]"}, Map: {"{", "}"}, Set: {"#{", "}"}, Func: {"#(", ")"}, Cond: {"(", ")"},
}

func appendForm(b []byte, f Form) []byte {
	if f.Kind == Prefix || f.Kind == Cond {
		b = append(b, f.Text...)
	}
	d, between := delimiters[f.Kind]
	switch {
	case between:
		b = append(b, d[0]...)
	case f.Kind == Prefix:
		if needsSpace(f) {
			b = append(b, ' ')
		}
	default:
		return append(b, f.Text...)
	}
	for i, inner := range f.Forms {
		if i > 0 && !parts(f.Forms[i-1], inner) {
			b = append(b, ' ')
		}
		b = appendForm(b, inner)
	}
	if between {
		b = append(b, d[1]...)
	}
	return b
}

// needsSpace reports whether a prefix and its first form would read otherwise
// if nothing stood between them: #tag and a symbol, ~ and @.
func needsSpace(f Form) bool {
	if f.Text == "~" {
		return f.Forms[0].Kind == Prefix && f.Forms[0].Text[0] == '@'
	}
	return f.Text[0] == '#' && f.Text != "#'" && (f.Text[1] != ':' || f.Forms[0].Kind != Map)
}

// parts reports whether two forms are told apart without a space: a delimiter
// of the one or the other does that.
func parts(before, after Form) bool {
	for before.Kind == Prefix {
		before = before.Forms[len(before.Forms)-1]
	}
	if k := after.Kind; k == List || k == Vector || k == Map {
		return before.Kind != Char
	}
	_, closed := delimiters[before.Kind]
	return closed
}
