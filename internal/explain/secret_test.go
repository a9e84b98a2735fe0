package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
)

// Whatever changed, neither the record's arguments and addresses nor what is printed has a URL's user info.
func TestURLUserInfoIsASecret(t *testing.T) {
	w := newWorkspace(t, `FROM alpine
ARG HTTP_PROXY
ARG DSN
ARG INDEX
RUN pip install --index-url ${INDEX} x
RUN curl https://bob:in-the-file@example.org/x
ADD https://bob:in-an-add@example.org/y /y
`, nil)
	w.in.Contexts = map[string]buildinputs.Tree{"lib": {Address: "https://tok-context@github.com/a/b.git"}}
	w.in.Args = map[string]string{
		"HTTP_PROXY": "http://u:tok-proxy@proxy:3128", "DSN": "postgres://app:tok-dsn@db/x",
		"INDEX": "https://tok-index@pypi.example/simple",
	}
	before, err := buildinputs.Take(context.Background(), w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := w.in
	other.Contexts = map[string]buildinputs.Tree{"lib": {Address: "https://tok-context2@github.com/a/b.git"}}
	other.Args = map[string]string{
		"HTTP_PROXY": "http://u:tok-proxy2@proxy:3128", "DSN": "mysql://app:tok-dsn2@db/y",
		"INDEX": "https://tok-index2@pypi.example/simple",
	}
	other.Text = strings.ReplaceAll(w.in.Text, "in-the-file", "in-the-line")
	other.Text = strings.ReplaceAll(other.Text, "in-an-add", "added-now")
	after, err := buildinputs.Take(context.Background(), other, &before)
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := Predict(&before, &after)
	if err != nil || len(reasons) == 0 {
		t.Fatalf("%v, %v", reasons, err)
	}
	reasons = append(reasons,
		Explain(&before, &after,
			[]buildinputs.Step{{Name: "[other 1/2] RUN curl https://bob:in-a-name@example.org"}})...)
	var text bytes.Buffer
	PrintSince(&text, reasons)
	shown, err := json.Marshal(reasons)
	if err != nil {
		t.Fatal(err)
	}
	after.Text = ""
	for i := range after.Steps {
		after.Steps[i].Text = ""
	}
	kept, err := json.Marshal(after)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"tok-", "in-the-file", "in-the-line", "in-an-add", "added-now", "in-a-name"} {
		for name, out := range map[string]string{
			"printed": text.String(), "reasons": string(shown),
			"record": string(kept),
		} {
			if strings.Contains(out, secret) {
				t.Errorf("%q is in what is %s:\n%s", secret, name, out)
			}
		}
	}
	for _, want := range []string{
		"build argument HTTP_PROXY changed", "build argument INDEX changed", "mysql://…@db/y",
		"https://…@example.org",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in:\n%s", want, text.String())
		}
	}
}
