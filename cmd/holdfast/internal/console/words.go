package console

import (
	"errors"
	"strings"
)

// word is one word of a line, without its quotes.
type word struct {
	text  string
	start int // offset in the line
}

var errOpenQuote = errors.New(`a quote is not closed: to write one itself, put \" between double quotes`)

// cut divides a line into words at blanks. Blanks stand in double quotes, anywhere in a
// word, and in single quotes at its beginning: in the middle these are themselves, as
// the arguments of an Execute have them. In double quotes a backslash takes the next
// character as it is. open says that a quote is not closed.
func cut(line string) (words []word, open bool) {
	for at := 0; at < len(line); {
		if line[at] == ' ' || line[at] == '\t' {
			at++
			continue
		}
		text, end, unclosed := nextWord(line[at:])
		words = append(words, word{text, at})
		at, open = at+end, unclosed
	}
	return words, open
}

// nextWord reads one word, and returns where it ends.
func nextWord(rest string) (text string, end int, open bool) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote == '"' && c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		case quote != 0:
			b.WriteByte(c)
		case c == '"', c == '\'' && i == 0:
			quote = c
		case c == ' ' || c == '\t':
			return b.String(), i, false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), len(rest), quote != 0
}

// split returns the words of a whole line, also when a quote is not closed, which is the
// error.
func split(line string) (words []string, err error) {
	cutUp, open := cut(line)
	words = make([]string, len(cutUp))
	for i, w := range cutUp {
		words[i] = w.text
	}
	if open {
		err = errOpenQuote
	}
	return words, err
}

// longestEcho is how much of what somebody typed an answer repeats, in characters.
const longestEcho = 40

// brief cuts off what nobody reads of a word that is repeated in an answer.
func brief(text string) string {
	if start := []rune(text); len(start) > longestEcho {
		return string(start[:longestEcho]) + "..."
	}
	return text
}

// quoted writes a word so that it is one.
func quoted(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\"") && text[0] != '\'' {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
