package extension

import (
	"reflect"
	"strings"
	"testing"
)

func TestAnswers(t *testing.T) {
	for text, c := range map[string]struct {
		want Answers
		err  string
	}{
		"":              {},
		"runtime: [go]": {},
		"answers: ":     {},
		"answers: http://127.0.0.1:8000/health?a=b": {
			want: Answers{Address: "http://127.0.0.1:8000/health?a=b"},
		},
		"answers: http://127.0.0.1:${PORT:-8000}/": {want: Answers{Address: "http://127.0.0.1:8000/"}},
		"answers: http://:8000/health":             {want: Answers{Address: "http://:8000/health"}},
		"answers: https://shop.example/":           {want: Answers{Address: "https://shop.example/"}},
		"answers: 'http://[::1]:80'":               {want: Answers{Address: "http://[::1]:80"}},
		"answers: tcp://:6379":                     {want: Answers{Address: "tcp://:6379"}},
		"answers: {address: 'http://:80/', status: [200, 401]}": {
			want: Answers{Address: "http://:80/", Status: []int{200, 401}},
		},
		"answers: {status: [200]}":                        {err: "there is no address, such as http://127"},
		"answers: ''":                                     {err: "there is no address"},
		"answers: 8000":                                   {err: `"" is neither http, https nor tcp`},
		"answers: 127.0.0.1:80":                           {err: "this is no address such as"},
		"answers: htp://:80/":                             {err: `"htp" is neither http, https nor tcp`},
		"answers: file:///etc/passwd":                     {err: `"file" is neither http, https nor tcp`},
		"answers: http://u:geheim@127.0.0.1/":             {err: "the address has a user or a password in it"},
		"answers: http://127.0.0.1:99999/":                {err: `"99999" is no port`},
		"answers: http://127.0.0.1:0/":                    {err: `"0" is no port`},
		"answers: http:///health":                         {err: "the address has no port"},
		"answers: tcp://redis":                            {err: "the address has no port"},
		"answers: tcp://:6379/0":                          {err: "an address of tcp has a port, and no path"},
		"answers: {address: 'tcp://:1', status: [200]}":   {err: "a connection over tcp has no status"},
		"answers: {address: 'http://:1', status: [2000]}": {err: "2000 is no HTTP status such as 200"},
	} {
		m, err := loaded(t, "services:\n  a:\n    image: x\n    x-compose-mage:\n      "+text+"\n")
		const where = `services.a.x-compose-mage.answers: service "a": x-compose-mage.answers: `
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), where+c.err) {
			t.Errorf("%q: got %v, want %s", text, err, c.err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("%q: the error has the password: %v", text, err)
			}
			continue
		}
		got, ok := AnswersOf(m.Project.Services["a"])
		if !reflect.DeepEqual(got, c.want) || ok != (c.want.Address != "") {
			t.Errorf("%q: got %+v, %v", text, got, ok)
		}
	}
	for text, want := range map[string]string{
		"{addresss: 'http://:1'}": `unknown key "addresss" in x-compose-mage.answers (did you mean "address"?)`,
		"[a]":                     "x-compose-mage: ",
	} {
		_, err := loaded(t, "services: {a: {image: x, x-compose-mage: {answers: "+text+"}}}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
