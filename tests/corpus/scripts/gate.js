var kept = null;
function s(token) {
  kept = token;
  fetch('/waf/verify', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ captcha_token: kept }),
  }).then(function () { location.reload(); });
}
