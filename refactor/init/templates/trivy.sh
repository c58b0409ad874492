# Without .trivyignore nothing fails: what to write into one, to accept it, is printed.
scan() {
  docker run --rm --volume "$PWD:/work" --workdir /work --volume scanner:/root/.cache "$SCANNER" \
    image --input image.tar --scanners vuln --severity HIGH,CRITICAL --ignore-unfixed --quiet "$@"
}
docker save scanned > image.tar
if [ -f .trivyignore ]; then
  scan --exit-code 1
else
  scan
  echo "To let what is new fail from now on, commit this as .trivyignore:"
  scan --format template --template \
    '{{ range . }}{{ range .Vulnerabilities }}{{ println .VulnerabilityID }}{{ end }}{{ end }}'
fi
