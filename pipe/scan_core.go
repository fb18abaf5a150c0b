package pipe

import "fmt"

// Classes of bytes. The order matters: a token runs on over all up to wide,
// a simple one over all up to digit, and blank is the first that ends it.
const (
	clsPlain uint8 = iota // letters, most signs, control characters that are no blanks
	clsSign               // + -
	clsDigit
	clsSlash
	clsColon
	clsHash
	clsWide      // part of a character beyond ASCII, which may be a blank
	clsForbidden // @ ` ~: never part of a token
	clsBlank
	clsQuote
	clsBackslash
	clsOpen
	clsShut
	clsSemicolon
	clsCaret
)

var ednClass = [256]uint8{
	'+': clsSign, '-': clsSign, '/': clsSlash, ':': clsColon, '#': clsHash,
	'0': clsDigit, '1': clsDigit, '2': clsDigit, '3': clsDigit, '4': clsDigit, '5': clsDigit, '6': clsDigit, '7': clsDigit, '8': clsDigit, '9': clsDigit,
	'@': clsForbidden, '`': clsForbidden, '~': clsForbidden,
	' ': clsBlank, ',': clsBlank, '\t': clsBlank, '\n': clsBlank, '\v': clsBlank, '\f': clsBlank, '\r': clsBlank,
	0x1c: clsBlank, 0x1d: clsBlank, 0x1e: clsBlank, 0x1f: clsBlank,
	'"': clsQuote, '\\': clsBackslash, ';': clsSemicolon, '^': clsCaret,
	'(': clsOpen, '[': clsOpen, '{': clsOpen, ')': clsShut, ']': clsShut, '}': clsShut,
	0x80: clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
	clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
	clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
	clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
	clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
	clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
	clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
	clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide, clsWide,
}

// Frames of the stack: what is open around the next value. The lowest bit of a
// collection's frame tells whether it holds an odd number of values.
const (
	inList   = 2 * iota
	inVector // 2
	inMap
	inSet
	firstPrefix // those from here on wait for one value
	afterDiscard
	afterTag
	afterMeta   // for the metadata
	afterMetaed // for what it is about
)

// What a scanner was in the midst of when its bytes came to an end. Whatever is
// not listed is short and looked at again from its first byte.
type scanMode uint8

const (
	between scanMode = iota
	inComment
	inString
	inRegex
	inWord
	inNumber
	inTag
	inNamespace    // #:ns
	inNamespaceGap // blanks between #:ns and {
)

type scanStatus uint8

const (
	scanGoing    scanStatus = iota
	scanComplete            // the value is b[s.start:s.i]
	scanNothing             // the end, and no value
	scanShort               // the end inside a value, or more may come
	scanClosing             // b[s.i] closes what is around the value
	scanFailed              // at, msg and limit say why
)

// A scanner is where a scan stands. It can go on when more bytes have come.
type scanner struct {
	depth int // frames in use
	max   int // of them
	i     int // the next byte to look at
	start int // of the value that is open
	tok   int // of the token that i is in, unless between
	mode  scanMode
	wide  bool // a byte >= 0x80 was passed: UTF-8 must be checked

	at    int
	msg   string
	limit error

	deep  []byte   // the frames, once there were too many for small
	small [64]byte // so that usual values need no other memory
}

// frames returns the stack with its unused part. Nothing but grow may keep it,
// or scanners would no longer fit on the goroutine's stack.
func (s *scanner) frames() []byte {
	if s.deep != nil {
		return s.deep
	}
	return s.small[:]
}

// grow makes room for another frame. The limit bounds it.
func (s *scanner) grow() []byte {
	deep := make([]byte, 2*len(s.frames()))
	copy(deep, s.frames())
	s.deep = deep
	return deep
}

func (s *scanner) fail(at int, format string, args ...any) scanStatus {
	s.at, s.msg = at, fmt.Sprintf(format, args...)
	return scanFailed
}

// run scans the next value of b from s.i on. With atEnd the end of b ends a
// token; otherwise more may follow, and after short run may be called again
// with a b that goes on.
func (s *scanner) run(b []byte, atEnd bool) scanStatus {
	if s.mode != between {
		if st := s.resume(b, atEnd); st != scanGoing {
			return st
		}
	}
	var st scanStatus
	i, n, stack := s.i, s.depth, s.frames()
	for i < len(b) {
		tok, c := i, b[i]
		switch ednClass[c] {
		case clsBlank:
			i++
			continue
		case clsPlain, clsSign, clsColon:
			i++
			for i < len(b) && ednClass[b[i]] <= clsDigit {
				i++
			}
			if i+1 < len(b) && b[i] == '/' && (c != ':' || i > tok+1) && ednClass[b[i+1]] <= clsSign {
				for i += 2; i < len(b) && ednClass[b[i]] <= clsDigit; i++ {
				}
			}
			if i == len(b) || ednClass[b[i]] < clsBlank || i == tok+1 && c == ':' || ednClass[c] == clsSign {
				if i, st = s.word(b, tok, i, atEnd); st != scanGoing {
					s.depth = n
					return st
				}
			}
		case clsSlash, clsForbidden:
			if i, st = s.word(b, tok, i, atEnd); st != scanGoing {
				s.depth = n
				return st
			}
		case clsWide:
			if w, known := blankRune(b[i:], atEnd); !known {
				s.i, s.depth = i, n
				return scanShort
			} else if w > 0 {
				s.wide = true
				i += w
				continue
			}
			if i, st = s.word(b, tok, i, atEnd); st != scanGoing {
				s.depth = n
				return st
			}
		case clsDigit:
			for i++; i < len(b) && ednClass[b[i]] == clsDigit; i++ {
			}
			if i < len(b) && b[i] == '.' {
				for i++; i < len(b) && ednClass[b[i]] == clsDigit; i++ {
				}
			} else if c == '0' && i > tok+1 {
				i = tok
			}
			if i == len(b) || i == tok || ednClass[b[i]] < clsBlank {
				if i, st = s.number(b, tok, i, atEnd); st != scanGoing {
					s.depth = n
					return st
				}
			}
		case clsQuote:
			if i, st = s.text(b, tok, i+1, false); st != scanGoing {
				s.depth = n
				return st
			}
		case clsBackslash:
			if i, st = s.char(b, tok, atEnd); st != scanGoing {
				s.depth = n
				return st
			}
		case clsSemicolon:
			if i, st = s.comment(b, tok, i+1, atEnd); st != scanGoing {
				s.depth = n
				if n > 0 && st == scanNothing {
					st = scanShort
				}
				return st
			}
			continue
		case clsOpen:
			if n >= s.max {
				return s.tooDeep(tok)
			}
			if n == 0 {
				s.start = tok
			}
			f := byte(inVector)
			if c == '(' {
				f = inList
			} else if c == '{' {
				f = inMap
			}
			if n == len(stack) {
				stack = s.grow()
			}
			stack[n] = f
			n++
			i++
			continue
		case clsCaret:
			s.depth = n
			if st = s.push(tok, afterMeta); st != scanGoing {
				return st
			}
			n, stack = s.depth, s.frames()
			i++
			continue
		case clsHash:
			s.depth = n
			if i, st = s.dispatch(b, tok, atEnd); st != scanGoing {
				return st
			}
			n, stack = s.depth, s.frames()
			if b[tok+1] != '#' && b[tok+1] != '"' {
				continue
			}
			// ##Inf and #"…" are values, the others begin one.
		case clsShut:
			if n == 0 {
				s.i, s.depth = i, n
				return scanClosing
			}
			kind := KindVector
			switch f := stack[n-1]; {
			case c == ']' && f&^1 == inVector:
			case c == ')' && f&^1 == inList:
				kind = KindList
			case c == '}' && f == inMap:
				kind = KindMap
			case c == '}' && f&^1 == inSet:
				kind = KindSet
			default:
				return s.mismatch(tok, c, f)
			}
			n--
			i++
			if n == 0 {
				s.i, s.depth = i, n
				return scanComplete
			}
			if f := stack[n-1]; f < firstPrefix {
				stack[n-1] = f ^ 1
				continue
			}
			s.i, s.depth = i, n
			if st = s.completed(tok, kind); st != scanGoing {
				return st
			}
			n, stack = s.depth, s.frames()
			continue
		}
		// b[tok:i] is a value without brackets.
		if n == 0 {
			s.start, s.i, s.depth = tok, i, 0
			return scanComplete
		}
		if f := stack[n-1]; f < firstPrefix {
			stack[n-1] = f ^ 1
			continue
		}
		s.i, s.depth = i, n
		if st = s.completed(tok, Kind(b[tok:i])); st != scanGoing {
			return st
		}
		n, stack = s.depth, s.frames()
	}
	s.i, s.depth = i, n
	if n > 0 || !atEnd {
		return scanShort
	}
	return scanNothing
}

// completed takes a value of the given kind, whose text ends at s.i, off all
// prefixes that have waited for it.
func (s *scanner) completed(at int, kind ValueKind) scanStatus {
	for stack := s.frames(); s.depth > 0; {
		switch top := &stack[s.depth-1]; *top {
		case afterDiscard:
			s.depth--
			return scanGoing
		case afterTag:
			kind = KindTagged
			s.depth--
		case afterMeta:
			switch kind {
			case KindSymbol, KindString, KindKeyword, KindMap:
				*top = afterMetaed
				return scanGoing
			}
			return s.fail(at, "found %s as metadata, expected a keyword, symbol, string or map", kind)
		case afterMetaed:
			switch kind {
			case KindSymbol, KindList, KindVector, KindMap, KindSet, KindTagged:
				s.depth--
			default:
				return s.fail(at, "found metadata on %s, expected it on a symbol or a collection", kind)
			}
		default:
			*top ^= 1
			return scanGoing
		}
	}
	return scanComplete
}

// push opens a frame for what begins at tok.
func (s *scanner) push(tok int, frame byte) scanStatus {
	if s.depth >= s.max {
		return s.tooDeep(tok)
	}
	if s.depth == 0 {
		s.start = tok
	}
	stack := s.frames()
	if s.depth == len(stack) {
		stack = s.grow()
	}
	stack[s.depth] = frame
	s.depth++
	return scanGoing
}

func (s *scanner) tooDeep(at int) scanStatus {
	s.limit = ErrTooDeep
	return s.fail(at, "nested deeper than the limit of %d levels", s.max)
}

func (s *scanner) mismatch(at int, found, frame byte) scanStatus {
	if frame == inMap|1 && found == '}' {
		return s.fail(at, "found } after a key, expected a value: a map needs pairs")
	}
	return s.fail(at, "found %c, expected %s", found, wanted(frame))
}

func wanted(frame byte) string {
	switch frame &^ 1 {
	case inList:
		return "a value or ) for the list"
	case inVector:
		return "a value or ] for the vector"
	case inMap:
		return "a value or } for the map"
	case inSet:
		return "a value or } for the set"
	}
	switch frame {
	case afterDiscard:
		return "a value for #_ to discard"
	case afterTag:
		return "a value for the tag"
	case afterMeta:
		return "metadata after ^"
	}
	return "the value that the metadata is about"
}

// unfinished says what the end of the text has cut off.
func (s *scanner) unfinished(b []byte) string {
	switch {
	case s.mode == inString || s.mode == inRegex:
		e := syntaxError(b, s.tok, "", nil)
		return fmt.Sprintf("the text ends inside the string that begins in line %d, column %d", e.Line, e.Column)
	case s.depth > 0:
		return "the text ends, expected " + wanted(s.frames()[s.depth-1])
	}
	return "the text ends inside a value"
}

// comment passes over a comment whose ; is at tok.
func (s *scanner) comment(b []byte, tok, i int, atEnd bool) (int, scanStatus) {
	for ; i < len(b); i++ {
		if c := b[i]; c == '\n' || c == '\r' {
			return i + 1, scanGoing
		} else if c >= 0x80 {
			s.wide = true
		}
	}
	s.i = i
	if atEnd {
		return i, scanNothing
	}
	s.tok, s.mode = tok, inComment
	return i, scanShort
}

// dispatch reads what begins with # at tok: a prefix, an opening bracket, or
// one of the values ##Inf and #"…".
func (s *scanner) dispatch(b []byte, tok int, atEnd bool) (int, scanStatus) {
	if tok+1 == len(b) {
		return s.cut(tok)
	}
	switch c := b[tok+1]; {
	case c == '{':
		return tok + 2, s.push(tok, inSet)
	case c == '_':
		return tok + 2, s.push(tok, afterDiscard)
	case c == '^':
		return tok + 2, s.push(tok, afterMeta)
	case c == '"':
		return s.text(b, tok, tok+2, true)
	case c == '#':
		return s.symbolic(b, tok, atEnd)
	case c == ':':
		return s.namespace(b, tok, tok+2, atEnd)
	case 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80:
		return s.tag(b, tok, tok+1, atEnd)
	case c == '(' || c == '\'' || c == '=' || c == '?' || c == '<':
		return tok, s.fail(tok, "found #%c, which is code or unreadable and not EDN", c)
	}
	return tok, s.fail(tok, "found %s, expected a tag, { _ ^ # : or \" after #", ednShow(b[tok:tok+2]))
}

// cut is for a token so short that it is read again from its first byte.
func (s *scanner) cut(tok int) (int, scanStatus) {
	s.i, s.tok, s.mode = tok, tok, between
	return tok, scanShort
}
