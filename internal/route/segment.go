// SPDX-License-Identifier: Apache-2.0

package route

import (
	"bytes"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The placeholders, beside the wildcard for text that may be anything.
const (
	anID    = "{id}"
	aUUID   = "{uuid}"
	aDate   = "{date}"
	aHash   = "{hash}"
	aToken  = "{token}"
	anEmail = "{email}"
	aSlug   = "{slug}"
	aLocale = "{locale}"
)

// The longest texts that are taken for words.
const (
	maxWord = 40 // bytes of a segment
	maxVerb = 20 // bytes behind a colon: /orders/17:cancel
	// shortHash is how long the hashes are that git abbreviates to.
	shortHash = 7
	slugSeps  = 4 // separators that make a title of words: how-to-boil-an-egg
)

// classify returns what the route shows of one segment that is not empty. Only
// the first segment can be a language by itself, and only the last one a file.
func classify(raw []byte, first, last bool) string {
	if i := bytes.IndexByte(raw, ';'); i >= 0 { // parameters, as ;jsessionid=
		raw = raw[:i]
	}
	s := string(raw)
	if strings.IndexByte(s, '%') >= 0 {
		text, err := url.PathUnescape(s)
		if err != nil {
			return wildcard
		}
		s = text
	}
	switch {
	case s == "" || !isWordText(s):
		return special(s)
	case isLocale(s), first && isLanguage(s):
		return aLocale
	}
	if last {
		if ext := extension(s); ext != "" {
			return file(s[:len(s)-len(ext)], ext)
		}
	}
	if head, verb, found := strings.Cut(s, ":"); found {
		return withVerb(head, verb, s)
	}
	return kind(s)
}

// special returns what the route shows of a segment that has more than a word may.
func special(s string) string {
	switch {
	case isEmail(s):
		return anEmail
	case len(s) > 1 && s[0] == '$' && isLetters(s[1:]): // OData's $metadata, FHIR's $everything
		return s
	case s == "@vite" || s == "@fs" || s == "@id": // of a development server; others are users
		return s
	}
	return wildcard
}

// isWordText reports whether s has only what an identifier or a file's name has:
// letters of any script, digits, and - _ . ~ : + among them.
func isWordText(s string) bool {
	for _, c := range s {
		switch {
		case c < utf8.RuneSelf:
			if !isAlnum(byte(c)) && !strings.ContainsRune("-_.~:+", c) {
				return false
			}
		case c == utf8.RuneError || !unicode.IsLetter(c) && !unicode.IsMark(c) && !unicode.IsDigit(c):
			return false
		}
	}
	return true
}

// withVerb returns what the route shows of a segment with a colon.
func withVerb(head, verb, whole string) string {
	if isDateText(whole) {
		return aDate
	}
	if head == "" || len(verb) > maxVerb || !isLetters(verb) {
		return anID
	}
	return kind(head) + ":" + verb
}

// kind returns the placeholder of a segment, or the segment if it is a word.
func kind(s string) string {
	switch {
	case isUUID(s):
		return aUUID
	case isDateText(s):
		return aDate
	}
	var c census
	c.take(s)
	switch {
	case c.isVersion(s):
		return s
	case c.digits > 0 && c.digits+c.signs == len(s):
		return anID
	case c.hex && c.digits > 0 && c.letters > 0 && len(s) >= shortHash && c.signs == 0:
		return aHash
	case c.isToken(s):
		return aToken
	case c.seps >= slugSeps:
		return aSlug
	case len(s) > maxWord:
		return aToken
	case c.digits > 2 && 4*c.digits > c.letters && c.digits-technical(s) > 2:
		return anID
	}
	return s
}

// technical returns how many digits of s belong to names that have digits: sha256,
// linux-x86_64.
func technical(s string) (digits int) {
	for _, name := range [...]string{
		"sha224", "sha256", "sha384", "sha512", "sha1", "md5", "base64", "utf8",
		"x86_64", "amd64", "arm64", "aarch64", "i386", "i686", "win32", "win64", "ppc64", "s390x", "riscv64",
	} {
		i := strings.Index(s, name)
		if i < 0 || i > 0 && isAlnum(s[i-1]) {
			continue
		}
		if end := i + len(name); end < len(s) && isDigit(s[end]) {
			continue
		}
		for j := range name {
			if isDigit(name[j]) {
				digits++
			}
		}
	}
	return digits
}

// census counts what a segment is made of.
type census struct {
	digits, letters, upper, lower int
	seps, signs                   int // - and _; and all that is no letter or digit
	dots                          int
	turns                         int // from one of upper, lower, digit to another
	hex                           bool
}

// take counts s.
func (c *census) take(s string) {
	c.hex = true
	var before byte
	for i := range len(s) {
		b, class := s[i], byte(0)
		switch {
		case b >= '0' && b <= '9':
			c.digits++
			class = 'd'
		case b >= 'a' && b <= 'z':
			c.lower++
			class = 'l'
		case b >= 'A' && b <= 'Z':
			c.upper++
			class = 'u'
		case b >= utf8.RuneSelf:
			c.hex = false
			c.letters++
			continue
		default:
			c.signs++
			if b == '-' || b == '_' {
				c.seps++
			}
			if b == '.' {
				c.dots++
			}
			continue
		}
		if class != 'd' {
			c.letters++
			c.hex = c.hex && (b|0x20) <= 'f'
		}
		if before != 0 && class != before {
			c.turns++
		}
		before = class
	}
}

// isVersion reports whether s is v1, v2.1, 1.0 or 2.0.1: versions are few, and
// say which interface it is.
func (c *census) isVersion(s string) bool {
	if s[0] == 'v' || s[0] == 'V' {
		return c.digits > 0 && c.digits <= 3 && c.digits+c.dots+1 == len(s)
	}
	return c.dots > 0 && c.dots <= 2 && c.digits == c.dots+1 && c.digits+c.dots == len(s)
}

// isToken reports whether s looks like what a machine made up: the kinds of
// letters change too often for a word.
func (c *census) isToken(s string) bool {
	switch {
	case c.digits > 2 && c.letters > 0 && len(s) >= 20 && c.seps < slugSeps:
		return true
	case c.digits > 0 && c.upper > 0 && c.lower > 0 && len(s) >= 8 && c.turns >= 5:
		return true
	case c.upper > 0 && c.lower > 0 && len(s) >= 16 && 3*c.turns > 2*len(s):
		return true
	}
	return false
}

// isUUID reports whether s is a UUID with its four dashes.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isDigit(s[i]) && (s[i]|0x20 < 'a' || s[i]|0x20 > 'f') {
				return false
			}
		}
	}
	return true
}

// isDateText reports whether s is a day as 2026-11-22, 2026_11_22, 2026.11.22 or
// 20261122, perhaps with a time of day behind a T.
func isDateText(s string) bool {
	day, _, _ := strings.Cut(s, "T")
	switch len(day) {
	case 10:
		sep := day[4]
		if sep != '-' && sep != '_' && sep != '.' || day[7] != sep {
			return false
		}
		return isYear(day[:4]) && isUpTo(day[5:7], 12) && isUpTo(day[8:], 31)
	case 8:
		return isYear(day[:4]) && isUpTo(day[4:6], 12) && isUpTo(day[6:], 31)
	}
	return false
}

// isYear reports whether s is a year from 1900 to 2099.
func isYear(s string) bool {
	return (s[:2] == "19" || s[:2] == "20") && isDigit(s[2]) && isDigit(s[3])
}

// isUpTo reports whether the two bytes of s are a number from 1 to most.
func isUpTo(s string, most int) bool {
	if !isDigit(s[0]) || !isDigit(s[1]) {
		return false
	}
	n := int(s[0]-'0')*10 + int(s[1]-'0')
	return n >= 1 && n <= most
}

// isEmail reports whether s has one @ with a domain behind it.
func isEmail(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	return found && local != "" && strings.IndexByte(domain, '.') > 0 &&
		isWordText(local) && isWordText(domain)
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isAlnum(b byte) bool {
	return isDigit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func isLetters(s string) bool {
	for i := range len(s) {
		if isDigit(s[i]) || !isAlnum(s[i]) {
			return false
		}
	}
	return s != ""
}

// extension returns the extension of a file's name with its dot, empty unless it
// is one that web servers send.
func extension(s string) string {
	i := strings.LastIndexByte(s, '.')
	if i <= 0 || len(s)-i > 6 {
		return ""
	}
	switch ext := s[i:]; ext {
	case ".html", ".htm", ".css", ".js", ".mjs", ".map", ".json", ".xml", ".txt", ".csv", ".md", ".pdf", ".wasm",
		".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".avif", ".bmp",
		".woff", ".woff2", ".ttf", ".otf", ".eot",
		".mp3", ".mp4", ".webm", ".ogg", ".wav", ".m3u8", ".ts",
		".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".deb", ".rpm", ".jar",
		".php", ".asp", ".aspx", ".jsp", ".cgi", ".do":
		return ext
	}
	return ""
}

// file returns what the route shows of a file: its name and extension, with a
// placeholder for the part of the name that a build made up, as in
// app.3f2a1b9c.js and main-8f3a2b1c.css.
func file(name, ext string) string {
	if len(name) == 3 && (name[0] == '4' || name[0] == '5') && strings.HasPrefix(ext, ".htm") {
		return name + ext // the page of an error
	}
	if i := strings.LastIndexAny(name, ".-_"); i > 0 && i < len(name)-1 {
		head, tail := name[:i], name[i+1:]
		if shown := kind(tail); shown != tail && kind(head) == head {
			return name[:i+1] + shown + ext
		}
	}
	return kind(name) + ext
}
