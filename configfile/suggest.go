package configfile

import "strings"

// didYouMean names the candidate that a misspelt name probably stands for, or
// returns "".
func didYouMean(name string, candidates []string) string {
	word := name[strings.LastIndexAny(name, "._")+1:] // the section is hardly misspelt, too
	best, least := "", max(len(word)/3, 1)+1          // more differences are no mistake in typing
	for _, c := range candidates {
		if d := differences(name, c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// differences is how many bytes must be put in, left out or changed to make one
// text of the other (the distance of Levenshtein).
func differences(a, b string) int {
	row := make([]int, len(b)+1) // of a's beginning and each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
