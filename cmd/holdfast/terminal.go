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
	if o, streams := w.(*output); streams {
		w = o.to
	}
	f, ok := w.(*os.File)
	if !ok {
		return nil, false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || isNull(info) {
		return nil, false
	}
	return info, answers(f, isTerminal)
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
