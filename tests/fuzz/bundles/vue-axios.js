// A gate of Vue: its captcha's component, and an instance of axios.
import { createApp, h, ref } from 'vue';
import VueHcaptcha from '@hcaptcha/vue3-hcaptcha';
import axios from 'axios';

const api = axios.create({ baseURL: '/api', headers: { 'X-Requested-With': 'XMLHttpRequest' } });

createApp({
  setup() {
    const failed = ref(false);
    const verify = async (token) => {
      try {
        await api.post('/verify', { captcha: { token } });
        location.reload();
      } catch {
        failed.value = true;
      }
    };
    return () => h('main', [
      h('h1', 'Security check'),
      failed.value ? h('p', 'Once more, please.') : null,
      h(VueHcaptcha, { sitekey: '10000000-ffff-ffff-ffff-000000000001', onVerify: verify }),
    ]);
  },
}).mount('#app');
