package schema

import (
	"strings"
	"testing"
)

// fine is a file with all that we write.
const fine = `{"displayTimeUnit":"ms","otherData":{"command":"start"},"traceEvents":[
{"name":"process_name","ph":"M","ts":0,"pid":1,"tid":0,"args":{"name":"start shop"}},
{"name":"thread_sort_index","ph":"M","ts":0,"pid":1,"tid":1,"args":{"sort_index":1}},
{"name":"outer","cat":"start","ph":"X","ts":0,"dur":10,"pid":1,"tid":1},
{"name":"inner","cat":"start","ph":"X","ts":2,"dur":8,"pid":1,"tid":1,"args":{"bytes":3}},
{"name":"next","cat":"wait","ph":"X","ts":10,"dur":5,"pid":1,"tid":1},
{"name":"after","cat":"after","ph":"s","ts":9,"pid":1,"tid":1,"id":1},
{"name":"after","cat":"after","ph":"f","ts":10,"pid":1,"tid":1,"id":1,"bp":"e"}
]}`

func TestRead(t *testing.T) {
	f, err := Read([]byte(fine))
	if err != nil || len(f.Events) != 7 || f.Other["command"] != "start" {
		t.Fatalf("%v, %+v", err, f)
	}
	for what, c := range map[string]struct{ old, new, want string }{
		"no JSON":                    {`]}`, `]`, "reading"},
		"two values":                 {`]}`, `]}{}`, "more than one"},
		"no events":                  {`"traceEvents":[`, `"other":1,"x":[`, "unknown field"},
		"another unit":               {`"ms"`, `"s"`, "displayTimeUnit"},
		"an unknown key":             {`"tid":1,"id":1}`, `"tid":1,"id":1,"took":1}`, "unknown field"},
		"a time that is a text":      {`"ts":2`, `"ts":"2"`, "reading"},
		"a negative time":            {`"ts":2,"dur":8`, `"ts":-2,"dur":8`, "before the first"},
		"no time":                    {`"ts":2,`, ``, "no time"},
		"a negative duration":        {`"dur":5`, `"dur":-5`, "negative"},
		"no duration":                {`"dur":5,`, ``, "no duration"},
		"no name":                    {`"name":"next",`, ``, "no name"},
		"no category":                {`"cat":"wait",`, ``, "no category"},
		"no process":                 {`"pid":1,"tid":0`, `"tid":0`, "no pid"},
		"a thread that is a text":    {`"tid":0`, `"tid":"main"`, "reading"},
		"arguments that are a list":  {`{"bytes":3}`, `[3]`, "reading"},
		"an unknown phase":           {`"ph":"X","ts":10`, `"ph":"Y","ts":10`, "phase"},
		"metadata of no kind":        {`thread_sort_index`, `thread_colour`, "no metadata"},
		"metadata that says nothing": {`"sort_index":1`, `"sort":1`, "says nothing"},
		"events that overlap":        {`"ts":2,"dur":8`, `"ts":2,"dur":9`, "overlap"},
		"an arrow without an ID":     {`"tid":1,"id":1}`, `"tid":1}`, "no ID"},
		"an arrow that begins alone": {`"id":1,"bp"`, `"id":2,"bp"`, "does not end"},
		"an arrow that begins twice": {
			`"ph":"f","ts":10,"pid":1,"tid":1,"id":1,"bp":"e"`, `"ph":"s","ts":10,"pid":1,"tid":1,"id":1`, "two ends",
		},
		"an arrow back in time":       {`"ph":"s","ts":9`, `"ph":"s","ts":11`, "before it begins"},
		"an arrow from nowhere":       {`"ph":"s","ts":9`, `"ph":"s","ts":99`, "within nothing"},
		"an arrow that binds wrongly": {`"bp":"e"`, `"bp":"x"`, "binds"},
	} {
		broken := strings.Replace(fine, c.old, c.new, 1)
		if broken == fine {
			t.Errorf("%s: nothing was broken", what)
		}
		if _, err := Read([]byte(broken)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Read([]byte(`{"displayTimeUnit":"ms"}`)); err == nil {
		t.Error("a file without events is fine")
	}
}
