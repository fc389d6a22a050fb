// A gate of React: its captcha's component, and axios.
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import HCaptcha from '@hcaptcha/react-hcaptcha';
import axios from 'axios';

function Gate() {
  const [said, say] = useState('Please show that you are human.');
  const verified = (token) => {
    axios.post('/api/verify', { token, from: location.pathname })
      .then(() => location.reload(), () => say('Once more, please.'));
  };
  return (
    <main>
      <h1>Security check</h1>
      <p>{said}</p>
      <HCaptcha sitekey="10000000-ffff-ffff-ffff-000000000001" onVerify={verified} />
    </main>
  );
}

createRoot(document.getElementById('root')).render(<Gate />);
