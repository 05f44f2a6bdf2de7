package main

import (
	"io"
	"os"
)

// terminal reports whether output goes to one.
func (p *program) terminal(w io.Writer) bool {
	_, is := terminalBehind(w)
	return is
}

// sameTerminal reports whether two outputs go to one terminal.
func sameTerminal(a, b io.Writer) bool {
	first, is := terminalBehind(a)
	second, too := terminalBehind(b)
	return is && too && os.SameFile(first, second)
}

// terminalBehind finds the terminal that output goes to.
func terminalBehind(w io.Writer) (terminal os.FileInfo, is bool) {
	f := fileBehind(w)
	if f == nil {
		return nil, false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || isNull(info) {
		return nil, false
	}
	return info, answers(f, isTerminal)
}

// fileBehind finds the file that output goes to, or nil.
func fileBehind(w io.Writer) *os.File {
	if o, streams := w.(*output); streams {
		w = o.to
	}
	if s, edited := w.(screen); edited {
		return s.file
	}
	f, _ := w.(*os.File)
	return f
}

func isNull(info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// answers asks something of the descriptor of a file, and leaves its mode alone.
func answers(f *os.File, ask func(fd uintptr) bool) (answer bool) {
	raw, err := f.SyscallConn()
	return err == nil && raw.Control(func(fd uintptr) { answer = ask(fd) }) == nil && answer
}
