const n=parseInt(process.argv[2]||"300000");const numbers=[],words=[];let x=42;
for(let i=0;i<n;i++){x=x*16807%2147483647;numbers.push(x);words.push("k"+x);}
const other=numbers.slice();numbers.sort((a,b)=>a-b);words.sort();other.sort((a,b)=>a%1000!==b%1000?a%1000-b%1000:a-b);
let s=0;for(let i=0;i<n;i++)s+=(numbers[i]%1000+other[i]%1000)*(i%10);
console.log(s+" "+words[0]+" "+words[Math.floor(n/2)]+" "+words[n-1]);
