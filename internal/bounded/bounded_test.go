package bounded

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// endless gives zeros for ever and counts them.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.n += int64(len(p))
	return len(p), nil
}

func TestLimit(t *testing.T) {
	limit := Limit{What: "the answer", Bytes: 10, Code: fault.Registry, Next: "docker login"}
	for text, ok := range map[string]bool{
		"": true, "123456789": true, "1234567890": true, "12345678901": false, strings.Repeat("x", 1<<20): false,
	} {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(text), "bytewise": iotest.OneByteReader(strings.NewReader(text)),
		} {
			got, err := limit.ReadAll(r)
			if (err == nil) != ok || string(got) != text[:min(len(text), 10)] {
				t.Errorf("%d bytes, %s: got %q, %v", len(text), name, got, err)
			}
			var f *fault.Error
			if !ok &&
				(!errors.Is(err, ErrTooLarge) || !errors.As(err, &f) || f.Code != fault.Registry || f.Next == "" ||
					!strings.Contains(err.Error(), "the answer")) {
				t.Errorf("got %v", err)
			}
		}
	}
	var e endless
	if _, err := limit.ReadAll(&e); !errors.Is(err, ErrTooLarge) || e.n != 11 {
		t.Errorf("%d bytes were read of an endless answer: %v", e.n, err)
	}
}

func TestDecode(t *testing.T) {
	limit := Limit{What: "the stats", Bytes: 20}
	var v struct{ A string }
	if err := limit.Decode(strings.NewReader(`{"A":"x"} and more that is not read`), &v); err != nil || v.A != "x" {
		t.Errorf("got %q, %v", v.A, err)
	}
	if err := limit.Decode(strings.NewReader(`{"A":"`+strings.Repeat("x", 100)), &v); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a\nb\n\n": "b", "a": "a", strings.Repeat("é", MaxLine): strings.Repeat("é", MaxLine/2) + "…",
		"a" + strings.Repeat("é", MaxLine): "a" + strings.Repeat("é", MaxLine/2-1) + "…",
	} {
		if got := LastLine(text); got != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
	}
}

func TestTail(t *testing.T) {
	tail := Tail{Bytes: 5}
	for _, step := range []struct{ piece, want string }{
		{"", ""},
		{"abc", "abc"},
		{"de", "abcde"},
		{"f", "bcdef"},
		{"ghijk", "ghijk"},
		{"l", "hijkl"},
		{"0123456789", "56789"},
		{"x", "6789x"},
	} {
		if n, err := tail.Write([]byte(step.piece)); n != len(step.piece) || err != nil || tail.String() != step.want {
			t.Errorf("after %q: %q, want %q", step.piece, tail.String(), step.want)
		}
	}
	whole := Tail{}
	for range 100 {
		_, _ = whole.Write(make([]byte, 10_000))
	}
	if len(whole.String()) != DefaultTail || cap(whole.data) > 4*DefaultTail {
		t.Errorf("%d bytes kept in %d", len(whole.String()), cap(whole.data))
	}
}
