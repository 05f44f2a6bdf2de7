package lwm2mtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
)

// File is something that clients fetch (GET), a firmware image say, block by block (RFC
// 7959 section 2.4).
type File struct {
	// Content has the bytes. It is read under the server's lock: it must neither wait nor
	// call the server. A [Pattern] has any number of them and needs no memory.
	Content io.ReaderAt
	Size    int64 // bytes of Content
	// ETag says which version this is, 1 to 8 bytes. Nil takes one that no other version
	// has.
	ETag        []byte
	WithoutETag bool // blocks do not say which version they are of
	// Size2 is announced with the first block, and where a request asks for it, in bytes
	// (RFC 7959 section 4). 0 announces Size, and a negative one nothing.
	Size2 int64
	// Endless goes on behind the end of the content, with zeros.
	Endless bool
}

// SetFile serves a file, at "/images/fw.bin" say, in place of what was served there: on
// every management service, and on those of [Server.ServeFiles]. Clients need not be
// registered.
func (s *Server) SetFile(path string, f File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setFile(fileName(path), f)
}

// setFile gives a file an ETag. The lock is held.
func (s *Server) setFile(name string, f File) {
	s.versions++
	switch {
	case f.WithoutETag:
		f.ETag = nil
	case f.ETag == nil:
		f.ETag = binary.BigEndian.AppendUint32(nil, s.versions)
	}
	s.files[name] = f
}

// RemoveFile takes a file away: requests for it are answered 4.04.
func (s *Server) RemoveFile(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, fileName(path))
}

// ServeDirectory serves the regular files of a file system as [Server.SetFile] does those
// that it is given, which come first; nil serves none. Its files must be an [io.ReaderAt],
// as those of [os.Root.FS] are, which never leads out of its directory. A file that is
// written to becomes another version, as far as its size or its time of modification tell.
func (s *Server) ServeDirectory(fsys fs.FS) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.directory = fsys
}

// fileName is the key of a file: its path without the first slash.
func fileName(path string) string { return strings.Trim(path, "/") }

// fetchedName returns the name of the file that a request's Uri-Path options are; empty when
// they can be none.
func fetchedName(segments []string) string {
	name := strings.Join(segments, "/")
	separator := func(segment string) bool { return strings.ContainsAny(segment, `/\`) }
	if slices.ContainsFunc(segments, separator) || !fs.ValidPath(name) || name == "." {
		return ""
	}
	return name
}

// hasFile reports whether there is a file of that name. The lock is held.
func (s *Server) hasFile(name string) bool {
	if _, set := s.files[name]; set {
		return true
	}
	_, found := s.stat(name)
	return found
}

// stat looks a file of the directory up.
func (s *Server) stat(name string) (fs.FileInfo, bool) {
	if s.directory == nil || name == "" {
		return nil, false
	}
	info, err := fs.Stat(s.directory, name)
	return info, err == nil && info.Mode().IsRegular()
}

// openFile returns a file, and what closes it again. The lock is held.
func (s *Server) openFile(name string) (f File, done func(), found bool) {
	if f, set := s.files[name]; set {
		return f, func() {}, true
	}
	info, found := s.stat(name) // first: opening a named pipe would wait
	if !found {
		return File{}, nil, false
	}
	opened, err := s.directory.Open(name)
	if err != nil {
		return File{}, nil, false
	}
	content, readable := opened.(io.ReaderAt)
	if !readable {
		content = unreadable{name}
	}
	return File{Content: content, Size: info.Size(), ETag: etagOf(info)}, func() { _ = opened.Close() }, true
}

// unreadable is the content of a file that cannot be read from the middle.
type unreadable struct{ name string }

// ReadAt implements io.ReaderAt.
func (u unreadable) ReadAt([]byte, int64) (int, error) {
	return 0, fmt.Errorf("lwm2mtest: %s is no io.ReaderAt", u.name)
}

func etagOf(info fs.FileInfo) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", info.Size(), info.ModTime().UnixNano()))
	return sum[:8]
}

// read returns the block at an offset, and whether more follow.
func (f File) read(offset int64, size int) (block []byte, more bool, err error) {
	left := f.Size - offset
	if f.Endless {
		left = math.MaxInt64
	}
	block = make([]byte, max(0, min(int64(size), left)))
	there := max(0, min(int64(len(block)), f.Size-offset))
	if n, err := f.Content.ReadAt(block[:there], offset); int64(n) < there {
		return nil, false, err
	}
	return block, left > int64(size), nil
}

// announced is the value of Size2, when there is one.
func (f File) announced() (size uint32, yes bool) {
	switch {
	case f.Size2 != 0:
		return uint32(min(f.Size2, math.MaxUint32)), f.Size2 > 0
	case f.Endless || f.Size > math.MaxUint32:
		return 0, false
	}
	return uint32(f.Size), true
}

// Pattern is the content of an image for tests: bytes without an end that differ from seed
// to seed, and look random. It is an [io.ReaderAt] without a memory of its own.
type Pattern uint64

// ReadAt implements io.ReaderAt.
func (p Pattern) ReadAt(buf []byte, offset int64) (int, error) {
	var word [8]byte
	for i := range buf {
		at := uint64(offset) + uint64(i)
		if i == 0 || at%8 == 0 {
			binary.LittleEndian.PutUint64(word[:], p.word(at/8))
		}
		buf[i] = word[at%8]
	}
	return len(buf), nil
}

// word is the output function of SplitMix64, whose state is a counter.
func (p Pattern) word(n uint64) uint64 {
	z := uint64(p)*0xd1342543de82ef95 + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// File returns a file of so many bytes.
func (p Pattern) File(size int64) File { return File{Content: p, Size: size} }

// Reader returns the first bytes, for [Server.Push].
func (p Pattern) Reader(size int64) io.Reader { return io.NewSectionReader(p, 0, size) }

// SHA256 returns the digest of the first bytes.
func (p Pattern) SHA256(size int64) (digest [sha256.Size]byte) {
	h := sha256.New()
	_, _ = io.Copy(h, p.Reader(size)) // neither fails
	return [sha256.Size]byte(h.Sum(nil))
}
