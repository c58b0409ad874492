# Without .grype.yaml nothing fails: what to write into one, to accept it, is printed.
scan() {
  docker run --rm --volume "$PWD:/work" --workdir /work --volume scanner:/root/.cache "$SCANNER" \
    docker-archive:image.tar --only-fixed --quiet "$@"
}
docker save scanned > image.tar
if [ -f .grype.yaml ]; then
  scan --fail-on high
else
  scan
  echo "To let what is new fail from now on, commit this as .grype.yaml:"
  printf '%s\n' 'ignore:{{ range .Matches }}' '  - vulnerability: {{ .Vulnerability.ID }}{{ end }}' \
    > accept.tmpl
  scan --output template --template accept.tmpl
fi
