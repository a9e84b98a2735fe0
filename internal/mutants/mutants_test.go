package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const source = `package p

import "context"

func old(age int, kept bool) (bool, error) {
	if age < 3 && !kept {
		return false, nil
	}
	if err := check(); err != nil {
		return false, err
	}
	switch {
	case age > 9, kept:
		return true, nil
	default:
		age++
	}
	switch age {
	case 4:
		age--
	}
	is := func(x int) bool { return x == age }
	return is(4), nil
}

func do(ctx context.Context, x bool) bool {
	if x {
		return f(func(context.Context) bool { return x })
	}
	return false
}
`

// TestFaults holds which faults are seen in a source, and what each makes of its line.
func TestFaults(t *testing.T) {
	all, err := mutantsOf("p.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, m := range all {
		changed := string(m.apply())
		if strings.Count(changed, "\n") != strings.Count(source, "\n") {
			t.Errorf("%s: the lines move", m)
		}
		fmt.Fprintf(&got, "%s\n\t%s\n", m, strings.TrimSpace(strings.Split(changed, "\n")[m.line-1]))
	}
	want := `p.go:6: inverts if age < 3 && !kept
	if !(age < 3 && !kept) {
p.go:6: drops if age < 3 && !kept
	if false && (age < 3 && !kept) {
p.go:6: takes || for && in age < 3 && !kept
	if age < 3 || !kept {
p.go:6: takes <= for < in age < 3
	if age <= 3 && !kept {
p.go:7: negates the returned false
	return !(false), nil
p.go:10: negates the returned false
	return !(false), err
p.go:13: drops case age > 9, kept
	case false && (age > 9), false && (kept):
p.go:13: takes >= for > in age > 9
	case age >= 9, kept:
p.go:14: negates the returned true
	return !(true), nil
p.go:15: drops the default
	
p.go:19: drops case 4
	
p.go:22: negates the returned x == age
	is := func(x int) bool { return !(x == age) }
p.go:23: negates the returned is(4)
	return !(is(4)), nil
`
	if got := got.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// module writes a package of one rule that is tested, and one that is not.
func module(t *testing.T, test string) string {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module p\n\ngo 1.26\n",
		"p.go": `package p

func adult(age int) bool { return age > 17 }

func kind(x any) string {
	if s, ok := x.(string); ok {
		return s
	}
	switch x := x.(type) {
	case int:
		return string(rune(x))
	}
	return "other"
}
`,
		"p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestAdult(t *testing.T) {\n" + test + "\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTries(t *testing.T) {
	dir := module(t, "if adult(17) || !adult(18) { t.Error() }")
	for want, n := range map[bool]float64{true: 0.3, false: 0.9} {
		var out bytes.Buffer
		ok, err := run(t.Context(), options{count: 9, want: n, timeout: time.Minute, parallel: 2}, []string{dir}, &out)
		if err != nil {
			t.Fatal(err)
		}
		if ok != want {
			t.Errorf("a share of %v was wanted: %v\n%s", n, ok, &out)
		}
		for _, line := range []string{
			"p.go:3: takes >= for > in age > 17: caught by TestAdult\n",
			"p.go:3: negates the returned age > 17: caught by TestAdult\n",
			"p.go:6: drops if ok: SURVIVED\n", "2 of 4 caught (50 %)\n", // one does not compile: x is not used
		} {
			if !strings.Contains(out.String(), line) {
				t.Errorf("no %q in\n%s", line, &out)
			}
		}
	}
	if _, err := run(t.Context(), options{}, []string{module(t, "t.Error()")}, &bytes.Buffer{}); err == nil {
		t.Error("tests that fail without a fault catch nothing")
	}
	if _, err := run(t.Context(), options{}, nil, &bytes.Buffer{}); err == nil {
		t.Error("no package, no error")
	}
}

func TestOneSeedGivesOneSample(t *testing.T) {
	sample := func(seed uint64) string {
		var out bytes.Buffer
		if _, err := run(t.Context(), options{count: 3, seed: seed, list: true}, []string{"."}, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if first, again := sample(1), sample(1); first != again || first == sample(2) {
		t.Error("the sample does not follow from the seed")
	}
}
