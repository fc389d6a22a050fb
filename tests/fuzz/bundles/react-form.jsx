// A gate of React: a controlled form, sent by its button once there is a token.
import { Component, createRef } from 'react';
import { createRoot } from 'react-dom/client';
import HCaptcha from '@hcaptcha/react-hcaptcha';

class Gate extends Component {
  state = { token: null };

  captcha = createRef();

  submit = (event) => {
    event.preventDefault();
    const body = new URLSearchParams({ 'h-captcha-response': this.state.token, next: '/' });
    fetch('/verify', { method: 'POST', body }).then(() => { location.href = '/'; });
  };

  render() {
    return (
      <form onSubmit={this.submit}>
        <h1>Security check</h1>
        <HCaptcha ref={this.captcha} sitekey="10000000-ffff-ffff-ffff-000000000001" onVerify={(token) => this.setState({ token })} />
        <button type="submit" disabled={!this.state.token}>Continue</button>
      </form>
    );
  }
}

createRoot(document.getElementById('root')).render(<Gate />);
