// Package page has the tests of monitor -serve's page in a real browser. They are in this module so that the browser's
// driver is no part of the other.
package page
