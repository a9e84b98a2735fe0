package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"net/http"
	"slices"
)

// The parts of the page. They are the same for every project: what is shown comes later, to those who have the token.
var (
	//go:embed static/page.html
	pageHTML []byte
	//go:embed static/page.css
	pageCSS []byte
	//go:embed static/connection.js
	connectionJS []byte
	//go:embed static/services.js
	servicesJS []byte
	//go:embed static/charts.js
	chartsJS []byte
	//go:embed static/timeline.js
	timelineJS []byte
	//go:embed static/page.js
	lastJS []byte // which begins

	pageJS = slices.Concat(connectionJS, servicesJS, chartsJS, timelineJS, lastJS)
)

// shell is the page in one document, so that nothing else need be served to one who has no token yet.
var shell = bytes.Replace(bytes.Replace(pageHTML, []byte("{{style}}"), pageCSS, 1), []byte("{{script}}"), pageJS, 1)

// policy lets a browser run just the page's own script and style, and ask nobody but the server.
var policy = "default-src 'none'; script-src '" + hash(pageJS) + "'; style-src '" + hash(pageCSS) +
	"'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func writeShell(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(shell)
}
