//go:build peers

package pipe_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A valueMaker makes texts of every kind of value of the contract, in every spelling.
type valueMaker struct {
	r *rand.Rand
	n int // makes names that come once
}

func (m *valueMaker) pick(from ...string) string { return from[m.r.IntN(len(from))] }

func (m *valueMaker) once() int { m.n++; return m.n }

// gap is what may stand between values.
func (m *valueMaker) gap() string {
	if m.r.IntN(6) > 0 {
		return " "
	}
	return m.pick(", ", "\n", "\t", " ; a comment\n", " #_ (discarded [1]) ", "\r\n", " #_#_ a b ")
}

func (m *valueMaker) digits(n int) string {
	b := []byte{byte('1' + m.r.IntN(9))}
	for range n - 1 {
		b = append(b, byte('0'+m.r.IntN(10)))
	}
	return string(b)
}

func (m *valueMaker) integer() string {
	switch m.r.IntN(8) {
	case 0:
		edge := []int64{0, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<53 - 1, 1 << 53, 1<<53 + 1, 1<<63 - 1,
			-1, -32, -33, -128, -129, -32768, -32769, -1 << 31, -1<<31 - 1, -1 << 53, -1<<53 - 1, -1 << 63}
		return strconv.FormatInt(edge[m.r.IntN(len(edge))], 10)
	case 1:
		return m.pick("", "-") + m.digits(19+m.r.IntN(40))
	case 2:
		return m.pick("", "-", "+") + m.digits(1+m.r.IntN(30)) + "N"
	case 3:
		return m.pick("0x1F", "-0xff", "017", "-017", "2r101", "36rZZ", "-16rFF", "0xffffffffffffffff", "+7", "-0", "0N", "24r1N", "0x10N", "017N")
	case 4:
		return strconv.FormatUint(m.r.Uint64(), 10)
	}
	return m.pick("", "-") + m.digits(1+m.r.IntN(17))
}

func (m *valueMaker) number() string {
	switch m.r.IntN(10) {
	case 0:
		return m.pick("##NaN", "##Inf", "##-Inf")
	case 1:
		return m.pick("", "-") + m.digits(1+m.r.IntN(25)) + "/" + m.digits(1+m.r.IntN(25))
	case 2:
		return m.pick("", "-") + m.digits(1+m.r.IntN(25)) + "." + m.digits(1+m.r.IntN(25)) + "M"
	case 3:
		return m.pick("1M", "0M", "-0.00M", "1.50M", "1E+400M", "1e-400M", "12345678901234567890M", "0.1M")
	case 4:
		return strconv.FormatFloat(m.r.NormFloat64()*float64(m.r.Uint64()), 'e', -1, 64)
	case 5:
		return m.pick("0.0", "-0.0", "1.0", "1.", "1e3", "-1E-7", "1e308", "4.9E-324", "1.7976931348623157E308", "3.4028234663852886E38", "0.1", "0.5", "16777217.0", "1e999", "007.5")
	case 6:
		return fmt.Sprintf("%.3f", m.r.Float64()*1000)
	}
	return m.integer()
}

func (m *valueMaker) text() string {
	var b strings.Builder
	b.WriteByte('"')
	for range m.r.IntN(12) {
		b.WriteString(m.pick("a", "Z", " ", "é", "✓", "😀", "\u2028", `\n`, `\t`, `\\`, `\"`, `\u00e9`, `\101`, "\n", ";", "[", `\b`, `\f`, "x y", "\u0085", `\u0000`, "\x7f", "日本"))
	}
	if m.r.IntN(20) == 0 {
		b.WriteString(strings.Repeat("long ", 60+m.r.IntN(60)))
	}
	b.WriteByte('"')
	return b.String()
}

func (m *valueMaker) keyword() string {
	return m.pick(":a", ":a/b", ":a.b/c-d?", ":é", ":a:b", ":k", ":room", ":x!", ":->x", ":*a*", ":a'", ":a#b", ":+", ":-", ":/", ":a/+", ":%1", ":&", ":=", ":<a>", ":$", ":a1",
		":nil", ":true", ":日本/語", ":a.b.c/d", ":_", ":1", ":1a", ":Aa", ":.m", fmt.Sprintf(":k%d", m.r.IntN(400)))
}

func (m *valueMaker) symbol() string {
	return m.pick("a", "a/b", "/", "->x", ".m", "foo'", "a#", "nil/a", "+", "-a", "é", "x.y/z", "nilly", "true?", "a:b", "*ns*", "&", "%", "ns//")
}

func (m *valueMaker) char() string {
	return m.pick(`\a`, `\newline`, `\return`, `\space`, `\tab`, `\backspace`, `\formfeed`, `\u0041`, `\o101`, `\(`, `\"`, `\\`, `\;`, `\é`, `\,`, `\u0000`, `\u2028`, `\✓`, `\[`, `\1`, `\:`, `\#`, `\@`, `\u00a0`)
}

func (m *valueMaker) inst() string {
	date := fmt.Sprintf("%04d-%02d-%02d", 1600+m.r.IntN(800), 1+m.r.IntN(12), 1+m.r.IntN(28))
	if m.r.IntN(6) == 0 {
		return m.pick(`#inst "2024"`, `#inst "2024-02"`, `#inst "2024-02-29"`, `#inst "2024-02-29T23"`, `#inst "2024-02-29T23:59"`, `#inst "1970-01-01T00:00:00.000-00:00"`,
			`#inst "1969-12-31T23:59:59.999-00:00"`, `#inst "0001-01-01"`, `#inst "1582-10-15"`, `#inst "1500-03-01T12:00:00.5Z"`, `#inst "9999-12-31T23:59:59.999999999Z"`, `#inst "1000"`)
	}
	text := date + fmt.Sprintf("T%02d:%02d:%02d", m.r.IntN(24), m.r.IntN(60), m.r.IntN(60))
	if m.r.IntN(3) > 0 {
		text += "." + m.digits(1+m.r.IntN(9))
	}
	return `#inst "` + text + m.pick("", "Z", "-00:00", "+02:00", "-11:30", "+14:00", "-08:00") + `"`
}

func (m *valueMaker) uuid() string {
	h := fmt.Sprintf("%016x%016x", m.r.Uint64(), m.r.Uint64())
	if m.r.IntN(4) == 0 {
		h = strings.ToUpper(h)
	}
	return fmt.Sprintf(`#uuid "%s-%s-%s-%s-%s"`, h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

func (m *valueMaker) bytes() string {
	b := make([]byte, m.r.IntN(40))
	for i := range b {
		b[i] = byte(m.r.Uint32())
	}
	if text := base64.StdEncoding.EncodeToString(b); m.r.IntN(4) > 0 {
		return fmt.Sprintf("#sente-lite/bytes %q", text)
	} else {
		return fmt.Sprintf("#sente-lite/ext [%d %q]", m.pickInt(5, 42, 127, -2, -128, 10, 18), text)
	}
}

func (m *valueMaker) pickInt(from ...int) int { return from[m.r.IntN(len(from))] }

func (m *valueMaker) scalar() string {
	switch m.r.IntN(12) {
	case 0:
		return m.pick("nil", "true", "false")
	case 1, 2:
		return m.number()
	case 3:
		return m.integer()
	case 4, 5:
		return m.text()
	case 6:
		return m.keyword()
	case 7:
		return m.symbol()
	case 8:
		return m.char()
	case 9:
		return m.inst()
	case 10:
		return m.uuid()
	}
	return m.bytes()
}

// key is a value that no other key of any map equals.
func (m *valueMaker) key(depth int) string {
	n := m.once()
	switch m.r.IntN(12) {
	case 0:
		return strconv.Itoa(n)
	case 1:
		return fmt.Sprintf("%q", fmt.Sprintf("key %d", n))
	case 2:
		return fmt.Sprintf("[%d%s%s]", n, m.gap(), m.value(depth-1))
	case 3:
		return fmt.Sprintf("{%d%s%s}", n, m.gap(), m.value(depth-1))
	case 4:
		return fmt.Sprintf("%d.5", n)
	case 5:
		return fmt.Sprintf("sym/n%d", n)
	case 6:
		return fmt.Sprintf(`#uuid "00000000-0000-0000-0000-%012x"`, n)
	case 7:
		return fmt.Sprintf("%d12345678901234567890", n)
	case 8:
		return fmt.Sprintf("#{%d%s\"in a set\"}", n, m.gap())
	}
	return m.pick(fmt.Sprintf(":k%d", n), fmt.Sprintf(":ns/k%d", n))
}

func (m *valueMaker) value(depth int) string {
	if depth <= 0 || m.r.IntN(3) == 0 {
		return m.scalar()
	}
	n := m.r.IntN(5)
	var b strings.Builder
	put := func(open, shut string, one func() string) string {
		b.WriteString(open)
		for i := range n {
			if i > 0 || m.r.IntN(4) == 0 {
				b.WriteString(m.gap())
			}
			b.WriteString(one())
		}
		return b.String() + m.pick("", "", " ") + shut
	}
	nested := func() string { return m.value(depth - 1) }
	pair := func() string { return m.key(depth-1) + m.gap() + nested() }
	switch m.r.IntN(9) {
	case 0:
		return put("(", ")", nested)
	case 1:
		return put("#{", "}", func() string { return m.key(depth - 1) })
	case 2:
		return put("#:"+m.pick("ns", "a.b", "é")+m.pick("", " ")+"{", "}", func() string {
			return m.pick(fmt.Sprintf(":k%d", m.once()), fmt.Sprintf(":_/k%d", m.once()), fmt.Sprintf("s%d", m.once()), fmt.Sprintf(":other/k%d", m.once()), fmt.Sprintf("%q", fmt.Sprint("s", m.once()))) +
				m.gap() + nested()
		})
	case 3, 4:
		return put("{", "}", pair)
	case 5:
		return "#" + m.pick("my/tag", "a", "user.R", "é/x") + m.gap() + nested()
	case 6:
		return "^" + m.pick(":meta", "{:a 1}", "Tag") + m.gap() + m.pick("[", "[1 ") + nested() + "]"
	}
	return put("[", "]", nested)
}
