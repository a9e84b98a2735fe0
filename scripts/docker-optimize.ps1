# The old name: docker-optimize.ps1 [full|cleanup|build|start|monitor]; without a word, the menu.
Push-Location (Join-Path $PSScriptRoot '..'); try { go tool mage @args; exit $LASTEXITCODE } finally { Pop-Location }
