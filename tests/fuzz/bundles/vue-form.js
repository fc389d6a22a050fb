// A gate of Vue: a template that is compiled in the page, an invisible captcha, a form.
import { createApp } from 'vue/dist/vue.esm-bundler.js';
import VueHcaptcha from '@hcaptcha/vue3-hcaptcha';

createApp({
  components: { VueHcaptcha },
  data: () => ({ token: '' }),
  methods: {
    check() { this.$refs.captcha.execute(); },
    verified(token) {
      this.token = token;
      this.$nextTick(() => this.$refs.form.submit());
    },
  },
  template: `
    <h1>Security check</h1>
    <form ref="form" method="post" action="/verify" @submit.prevent="check">
      <input type="hidden" name="token" :value="token">
      <vue-hcaptcha ref="captcha" size="invisible" sitekey="10000000-ffff-ffff-ffff-000000000001" @verify="verified" />
      <button>Continue</button>
    </form>`,
}).mount('#app');
