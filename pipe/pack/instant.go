package pack

// An instant counts from 1970 in UTC.
type instant struct {
	seconds int64
	nanos   uint32
}

// ParseInstant reads what an #inst has in quotes as clojure.instant does: parts from
// the month on may be left out, and a zone may follow any. Not ok is what is no
// instant there, or has more than 9 digits of a second.
func parseInstant(s []byte) (in instant, ok bool) {
	ok = true
	digits := func(n int) (v int64) {
		if len(s) < n {
			ok = false
			return 0
		}
		for _, c := range s[:n] {
			if !isDigit(c) {
				ok = false
			}
			v = v*10 + int64(c-'0')
		}
		s = s[n:]
		return v
	}
	parts := [...]int64{1: 1, 2: 1, 5: 0} // year month day hour minute second
	parts[0] = digits(4)
	for i, sep := range [...]byte{'-', '-', 'T', ':', ':'} {
		if len(s) == 0 || s[0] != sep || sep == '-' && len(s) > 3 && s[3] == ':' { // that is a zone
			break
		}
		s = s[1:]
		parts[i+1] = digits(2)
		if !ok {
			return in, false
		}
		if i == 4 && len(s) > 0 && s[0] == '.' {
			n := 1
			for ; n < len(s) && isDigit(s[n]); n++ {
				in.nanos = in.nanos*10 + uint32(s[n]-'0')
				if n > 9 {
					return in, false
				}
			}
			for i := n; i < 10; i++ {
				in.nanos *= 10
			}
			ok = n > 1
			s = s[n:]
		}
	}
	year, month, day, hour, minute, second := parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]
	var zone int64
	switch {
	case len(s) == 1 && s[0] == 'Z':
		s = nil
	case len(s) == 6 && (s[0] == '+' || s[0] == '-') && s[3] == ':':
		sign := int64(60)
		if s[0] == '-' {
			sign = -60
		}
		s = s[1:]
		h := digits(2)
		s = s[1:]
		m := digits(2)
		ok = ok && h <= 23 && m <= 59
		zone = sign * (h*60 + m)
	}
	if !ok || len(s) > 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 60 || second == 60 && minute != 59 {
		return in, false
	}
	in.seconds = daysFromCivil(year, month, day)*86400 + hour*3600 + minute*60 + second - zone
	return in, true
}

func isLeap(year int64) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if isLeap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// DaysFromCivil counts days from 1970-01-01, in years that begin in March, so that the
// day that a leap year has more is its last.
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	ofYear := (153*(month-3)+2)/5 + day - 1
	return year*365 + year/4 - year/100 + year/400 + ofYear - 719468
}

// What is before firstSecond is not one instant for all: Java reads dates by another
// calendar there. From lastSecond on a year has more than 4 digits.
const (
	firstSecond = -12212553600 // 1583-01-01
	zeroSecond  = -62167219200 // 0000-01-01
	lastSecond  = 253402300800 // 10000-01-01
)

// AppendInstant appends an instant of the years 0 to 9999 as Clojure prints it.
func appendInstant(dst []byte, in instant) []byte {
	seconds := in.seconds - zeroSecond
	days, rest := seconds/86400, seconds%86400
	// From 0000-03-01, in eras of 400 years; January and February of year 0 are in the
	// era before.
	days += 400*365 + 97 - 60
	era, ofEra := days/146097, days%146097
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*ofYear + 2) / 153
	day := ofYear - (153*month+2)/5 + 1
	year := yearOfEra + (era-1)*400
	if month += 3; month > 12 {
		month -= 12
		year++
	}
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), month, 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, 'T'), rest/3600, 2)
	dst = appendDigits(append(dst, ':'), rest/60%60, 2)
	dst = appendDigits(append(dst, ':'), rest%60, 2)
	if ms := int64(in.nanos / 1e6); in.nanos%1e6 == 0 {
		dst = appendDigits(append(dst, '.'), ms, 3)
	} else {
		dst = appendDigits(append(dst, '.'), int64(in.nanos), 9)
	}
	return append(dst, "-00:00"...)
}

func appendDigits(dst []byte, v int64, n int) []byte {
	dst = append(dst, "000000000"[:n]...)
	for i := len(dst) - 1; v > 0 && n > 0; i, n = i-1, n-1 {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}
