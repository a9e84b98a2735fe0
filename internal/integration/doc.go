// Package integration owns the tests of building and starting against a real engine, builder and registry. They run
// with the build tag integration and fail, not skip, where one of the three is missing.
package integration
