// SPDX-License-Identifier: Apache-2.0

package route

import "strings"

// isLocale reports whether s is a language with a region or a script: pt-BR, en_US,
// es-419, zh-Hans, zh-Hant-TW. In lower case, in which it may be two words as well,
// it must be one of those that are seen most.
func isLocale(s string) bool {
	if len(s) < 5 || len(s) > 10 || s[2] != '-' && s[2] != '_' || !isLower(s[:2]) {
		return false
	}
	switch rest := s[3:]; len(rest) {
	case 2:
		return isUpper(rest) || rest == s[:2] || isOneOf(s[:2]+rest, lowerLocales)
	case 3:
		return isDigit(rest[0]) && isDigit(rest[1]) && isDigit(rest[2])
	case 4:
		return isScript(rest)
	case 7:
		return isScript(rest[:4]) && (rest[4] == '-' || rest[4] == '_') && isUpper(rest[5:])
	}
	return false
}

// isLanguage reports whether s is a language by itself. Languages whose code is an
// English word, or says something else in most paths, are none: id, is, my, no, to.
func isLanguage(s string) bool { return len(s) == 2 && isOneOf(s, languages) }

const (
	languages    = "ar bg cs da de el en es et fi fr hr hu it ja ko lt lv nb nl pl pt ro ru sk sv th tr uk vi zh "
	lowerLocales = "enus engb enau enca enie enin ensg ptbr zhcn zhtw zhhk jajp kokr dadk svse nbno cscz elgr heil " +
		"ukua deat dech frca frbe frch nlbe esmx esar esco escl esus arsa "
)

// isOneOf reports whether s, which has no space, is among the words of the list, each
// of which has a space behind it.
func isOneOf(s, list string) bool {
	i := strings.Index(list, s)
	return i >= 0 && i%(len(s)+1) == 0 && list[i+len(s)] == ' '
}

func isLower(s string) bool {
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return true
}

func isUpper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

// isScript reports whether s is a script's code, as Hans.
func isScript(s string) bool { return isUpper(s[:1]) && isLower(s[1:]) }
