package keys

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Pepper holds the server's secrets under which keys are hashed: a thief of the database alone can neither test guesses
// at weak imported keys nor forge the audit trail. Its versions are numbered from 1; new keys use the newest, old ones are
// still found under theirs. It is safe for concurrent use.
type Pepper struct {
	versions []pepperVersion // ascending
}

type pepperVersion struct {
	number  int64
	secret  []byte
	hashers *sync.Pool // of hash.Hash; setting up HMAC costs more than using it
}

const (
	pepperBytes  = 32
	pepperHeader = "# Tollkeeper pepper: keys in the database cannot be verified without this file. Keep it secret, keep a copy apart from the database.\n"
)

// LoadPepper reads the pepper file, or makes it, readable by its owner alone, when there is none. Processes that share a
// database need the same file.
func LoadPepper(path string) (*Pepper, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createPepper(path); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the pepper file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the pepper file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the pepper file %s may be read by others (mode %04o): run chmod 600 on it", path, info.Mode().Perm())
	}
	p, err := ParsePepper(text)
	if err != nil {
		return nil, fmt.Errorf("the pepper file %s: %w", path, err)
	}
	return p, nil
}

// createPepper writes a new file without ever showing a half-written one; of two processes that try, one wins.
func createPepper(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".pepper-*") // has mode 0600
	if err != nil {
		return fmt.Errorf("create the pepper file (its folder must exist and be writable): %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(pepperHeader + pepperLine(1))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write the pepper file: %w", err)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create the pepper file: %w", err)
	}
	return nil
}

func pepperLine(version int64) string {
	secret := make([]byte, pepperBytes)
	_, _ = rand.Read(secret) // never fails, see crypto/rand
	return fmt.Sprintf("%d %x\n", version, secret)
}

// ExtendPepper adds a version to the file and returns its number; keys issued from the next start on are hashed under it.
// Processes that share a database must all get the new file before the first of them starts with it: one without it says so and
// is not ready. A missing file is an error that wraps [fs.ErrNotExist].
func ExtendPepper(path string) (int64, error) {
	if _, err := os.Stat(path); err != nil {
		return 0, fmt.Errorf("extend the pepper file: %w", err)
	}
	p, err := LoadPepper(path)
	if err != nil {
		return 0, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, fmt.Errorf("extend the pepper file: %w", err)
	}
	version := p.newest().number + 1
	_, err = file.WriteString("\n" + pepperLine(version)) // the last line may lack its end
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return 0, fmt.Errorf("extend the pepper file: %w", err)
	}
	return version, nil
}

// ParsePepper reads the text of a pepper file: lines of a version number and 64 hexadecimal digits. Errors do not quote it.
func ParsePepper(text []byte) (*Pepper, error) {
	p := &Pepper{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		number, digits, _ := strings.Cut(line, " ")
		version, err := strconv.ParseInt(number, 10, 32)
		secret, err2 := hex.DecodeString(strings.TrimSpace(digits))
		if err != nil || err2 != nil || len(secret) != pepperBytes {
			return nil, fmt.Errorf("line %d is not a version number and %d hexadecimal digits", n, 2*pepperBytes)
		}
		if version <= 0 || (len(p.versions) > 0 && version <= p.newest().number) {
			return nil, fmt.Errorf("line %d: version %d must be above 0 and above the one before", n, version)
		}
		p.versions = append(p.versions, pepperVersion{
			number: version, secret: secret,
			hashers: &sync.Pool{New: func() any { return &hasher{mac: hmac.New(sha256.New, secret)} }},
		})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(p.versions) == 0 {
		return nil, errors.New("it holds no version; restore it from a copy")
	}
	return p, nil
}

type hasher struct {
	mac hash.Hash
	in  []byte
	out [sha256.Size]byte
}

func (p *Pepper) newest() *pepperVersion { return &p.versions[len(p.versions)-1] }
func (p *Pepper) oldest() *pepperVersion { return &p.versions[0] }

// has reports whether keys hashed under a version can be found.
func (p *Pepper) has(version int64) bool {
	return slices.ContainsFunc(p.versions, func(v pepperVersion) bool { return v.number == version })
}

// sum returns the HMAC-SHA-256 of key.
func (v *pepperVersion) sum(key []byte) [sha256.Size]byte {
	h := v.hashers.Get().(*hasher)
	h.mac.Reset()
	// Through the interface every argument escapes; the copy keeps the caller's key off the heap.
	h.in = append(h.in[:0], key...)
	h.mac.Write(h.in)
	h.mac.Sum(h.out[:0])
	out := h.out
	clear(h.in)
	v.hashers.Put(h)
	return out
}

// Derive returns a secret for another purpose, from the first version, so that it outlives an extension of the file.
func (p *Pepper) Derive(purpose string) []byte {
	sum := p.oldest().sum([]byte("tollkeeper/" + purpose))
	return sum[:]
}
