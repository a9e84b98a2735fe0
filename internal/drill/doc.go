// Package drill owns the proof that a backup can be restored: a snapshot's volumes are written into throw-away ones,
// the project's own files of the snapshot are started on them as a project of its own, shut off from everything else,
// and what the services say of their data is compared with what they said when it was saved.
package drill
